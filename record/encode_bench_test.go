package record

import (
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/go-braid/braid/engine"
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

// BenchmarkSpans makes lines of as many attempts as there are in one, with times as those of
// tasks of 10 µs are, and so many that no processor foresees them.
func BenchmarkSpans(b *testing.B) {
	f := &form{from: &source{number: 1}, worker: 2, task: "sha256"}
	rnd := rand.New(rand.NewPCG(1, 2))
	const lines = 64
	all := make([]engine.Attempt, lines*engine.TrackLen)
	at, queued, call := time.Second, time.Second-800*time.Microsecond, 1_000_000
	for i := range all {
		if i%60 == 0 {
			queued = at - time.Duration(600+rnd.IntN(200))*time.Microsecond // they come by so many
		}
		queued += time.Duration(200+rnd.IntN(300)) * time.Nanosecond
		if rnd.IntN(12) == 0 { // and another worker has had some
			call += rnd.IntN(80) - 40
			queued += time.Duration(rnd.IntN(16)-8) * time.Microsecond
		}
		call++
		if rnd.IntN(25) == 0 {
			at += time.Duration(rnd.IntN(50)) * time.Microsecond
		}
		all[i] = engine.Attempt{Call: uint64(call), Start: at, Queued: queued, End: at + time.Duration(11_000+rnd.IntN(1000)), Index: call - 7}
		at = all[i].End
	}
	var buf []byte
	var c columns
	n := 0
	for b.Loop() {
		n = (n + 1) % lines
		buf = c.appendSpans(buf[:0], f, 0, all[n*engine.TrackLen:][:engine.TrackLen])
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/engine.TrackLen, "ns/attempt")
	b.ReportMetric(float64(len(buf))/engine.TrackLen, "B/attempt")
}

// BenchmarkListener hears of one attempt after the other, first with a log and then without.
func BenchmarkListener(b *testing.B) {
	nothing := func(engine.Event) {}
	l := NewLog(io.Discard, Run{}, Config{})
	defer l.Close(End{})
	for _, c := range []struct {
		name string
		ears *engine.Listener
	}{
		{"log", l.listen(nil)},
		{"nothing", &engine.Listener{Submitted: nothing, Started: nothing, Finished: nothing}},
	} {
		b.Run(c.name, func(b *testing.B) {
			at, call := time.Since(engine.Epoch()), uint64(0)
			for b.Loop() {
				call++
				e := engine.Event{At: at, Engine: "threads", Worker: 1, Call: call, Attempt: 1, Task: "sha256"}
				c.ears.Submitted(e)
				at += 100
				e.At, e.Waited = at, 100
				c.ears.Started(e)
				at += 100
				e.At = at
				c.ears.Finished(e)
			}
		})
	}
}
