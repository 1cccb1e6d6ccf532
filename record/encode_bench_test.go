package record

import (
	"testing"
	"time"
)

var benchSpan = Span{
	Start: 40123456 * time.Microsecond, End: 40123466 * time.Microsecond, Call: 1234567, Engine: 1, Worker: 2,
	Input: 123456, Attempt: 1, Queued: 40123400 * time.Microsecond, Task: "sha256", State: StateOK, Last: true,
}

func BenchmarkEncode(b *testing.B) {
	buf := make([]byte, 0, blockSize)
	b.ReportAllocs()
	for b.Loop() {
		if buf = Append(buf, &benchSpan); len(buf) > blockSize-1000 {
			buf = buf[:0]
		}
	}
	b.SetBytes(int64(len(Append(nil, &benchSpan))))
}

func BenchmarkDecode(b *testing.B) {
	line := Append(nil, &benchSpan)
	var s scanner
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.decode(line[:len(line)-1]); err != nil {
			b.Fatal(err)
		}
	}
}
