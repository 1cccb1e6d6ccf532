package dashboard

import (
	"bytes"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/go-braid/braid/record"
)

// millionLog returns the log of a million attempts, as a run of short tasks writes it.
func millionLog() []byte {
	var b []byte
	for _, l := range []record.Line{theRun(), &record.Engine{Number: 1, Name: "threads", Kind: "threads", Limit: 16}} {
		b = record.Append(b, l)
	}
	for i := range 1_000_000 {
		if i%16 == 0 {
			for k := range 16 {
				b = record.Append(b, &record.Input{Time: time.Duration(i) * ms / 16, Number: i + k, Text: fmt.Sprintf("input-%09d.txt", i+k)})
			}
		}
		start := time.Duration(i/16)*ms + time.Duration(i%16)*10*time.Microsecond
		b = record.Append(b, &record.Span{
			Start: start, End: start + time.Duration(300+i*7919%600)*time.Microsecond, Call: uint64(i + 1), Engine: 1, Worker: 1 + i%16,
			Input: i, Attempt: 1, Queued: start / 2, Task: "sha256", State: record.StateOK, Last: true,
		})
	}
	return b
}

// What the first page that asks for a run of a million attempts waits for.
func BenchmarkOpenMillion(b *testing.B) {
	log := millionLog()
	b.Run("read", func(b *testing.B) {
		b.SetBytes(int64(len(log)))
		for b.Loop() {
			r := record.NewReader(bytes.NewReader(log))
			for {
				if _, err := r.Next(); err == io.EOF {
					break
				}
			}
		}
	})
	var m *Model
	b.Run("read+fold", func(b *testing.B) {
		b.SetBytes(int64(len(log)))
		for b.Loop() {
			f := follower{reader: record.NewReader(bytes.NewReader(log)), model: NewModel()}
			if _, err := f.read(0); err != nil {
				b.Fatal(err)
			}
			m = f.model
		}
	})
	b.Run("sort", func(b *testing.B) {
		for b.Loop() {
			m.ordered, m.sorted = false, false
			m.sort()
		}
	})
	b.Run("encode", func(b *testing.B) {
		for b.Loop() {
			if err := m.writeSnapshot(io.Discard, textBudget{}, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
}
