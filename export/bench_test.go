package export

import (
	"fmt"
	"io"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/go-braid/braid/record"
)

// many is the record of n attempts by 16 workers, a hundredth of which fail.
func many(n int) []byte {
	b := record.Append(nil, began)
	b = record.Append(b, &record.Engine{Number: 1, Name: "threads", Kind: "threads", Limit: 16})
	b = record.Append(b, &record.Error{Number: 1, Kind: record.StateError, Print: "00112233445566aa", Text: "no such file"})
	for i := range n {
		start := time.Duration(i/16)*40*time.Millisecond + time.Duration(i%16)*100*time.Microsecond
		s := &record.Span{
			Start: start, End: start + 38*time.Millisecond, Queued: max(start-900*time.Millisecond, 1000), Call: uint64(i + 1), Engine: 1,
			Worker: 1 + i%16, Input: i, Attempt: 1, Task: "sha256", State: record.StateOK, CPU: 37 * time.Millisecond, Last: true,
		}
		if i%100 == 99 {
			s.State, s.Err = record.StateError, 1
		}
		b = record.Append(b, &record.Input{Time: s.Queued, Number: i, Text: "testdata/images/photo-" + strconv.Itoa(i) + ".jpg"})
		b = record.Append(b, s)
	}
	return record.Append(b, &record.End{Verdict: "failed", OK: n - n/100, Failed: n / 100, Total: n})
}

// counted counts what is written.
type counted struct{ n int64 }

func (c *counted) Write(b []byte) (int, error) {
	c.n += int64(len(b))
	return len(b), nil
}

// The time and the bytes are for one attempt of a record that has so many; memory-MB is
// what the heap grew to while it was exported.
func BenchmarkExport(b *testing.B) {
	for _, n := range []int{10_000, 1_000_000} {
		rec := many(n)
		for name, export := range map[string]func(io.Writer, *record.Reader) error{
			"read": func(_ io.Writer, r *record.Reader) error {
				return newAccount(r).drain(func(record.Line) error { return nil })
			},
			"chrome":   Chrome,
			"markdown": Markdown,
			"csv":      func(w io.Writer, r *record.Reader) error { return CSV(w, r, CSVConfig{}) },
		} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				var w counted
				var before, after runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&before)
				b.ReportAllocs()
				for b.Loop() {
					w.n = 0
					if err := export(&w, reader(rec)); err != nil {
						b.Fatal(err)
					}
				}
				runtime.ReadMemStats(&after)
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/attempt")
				b.ReportMetric(float64(w.n)/float64(n), "B/attempt")
				b.ReportMetric(float64(int64(after.HeapSys-before.HeapSys))/(1<<20), "memory-MB")
			})
		}
	}
}
