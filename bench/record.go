package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/internal/usage"
	"github.com/go-braid/braid/record"
	"github.com/go-braid/braid/threading"
)

// recordCases are what it costs to keep a record of a run, beside the same run without
// one, and to read it.
func recordCases(short bool) ([]benchCase, func(), error) {
	n := func(full, small int) int {
		if short {
			return small
		}
		return full
	}
	dir, err := os.MkdirTemp("", "braid-bench-record-")
	if err != nil {
		return nil, nil, err
	}
	return []benchCase{
		recordedCase(dir, n(50_000, 500), 10*time.Microsecond),
		recordedCase(dir, n(200_000, 2_000), 0),
		readCase(dir, n(1_000_000, 2_000)),
	}, func() { os.RemoveAll(dir) }, nil
}

// recordMeasures are what is measured of tasks that are recorded: the time a task from
// the first to the last, and what of the processors it took, with the writing of the
// record, and its size. The second says more: where there is an idle processor, the first
// does not see what the others do.
var recordMeasures = []measure{
	{"time a task", inSeconds}, {"processor time a task", inSeconds}, {"record a task", inBytes},
}

// recordedCase is n tasks of a pool with a record, one with a listener that does nothing,
// and one without.
func recordedCase(dir string, n int, each time.Duration) benchCase {
	steps := 0
	if each > 0 {
		steps = stepsFor(each)
	}
	task := braid.Func(func(_ context.Context, i int) (uint64, error) { return spin(uint64(i), steps), nil })
	run := func(name string, listener func(path string) *engine.Listener) candidate {
		path := filepath.Join(dir, "run.ndjson")
		return candidate{name: name, run: func() ([]float64, error) {
			defer os.Remove(path)
			ctx := context.Background()
			p := threading.NewPool(threading.Config{Workers: poolWorkers, Queue: queued, Listener: listener(path)})
			futures := make([]*braid.Future[uint64], 0, 2*recordWindow)
			settle := func(n int) error {
				for _, f := range futures[:n] {
					if _, err := f.Await(ctx); err != nil {
						return err
					}
				}
				futures = append(futures[:0], futures[n:]...)
				return nil
			}
			runtime.GC()
			before, _ := usage.Self()
			began := time.Now()
			for i := range n {
				futures = append(futures, braid.Submit(ctx, p, task, i))
				if len(futures) == cap(futures) {
					if err := settle(recordWindow); err != nil {
						return nil, err
					}
				}
			}
			if err := settle(len(futures)); err != nil {
				return nil, err
			}
			took := time.Since(began)
			closePool(p) // the rest is written
			after, _ := usage.Self()
			var size float64
			if info, err := os.Stat(path); err == nil {
				size = float64(info.Size())
			}
			return []float64{took.Seconds() / float64(n), after.Sub(before).CPU().Seconds() / float64(n), size / float64(n)}, nil
		}}
	}
	nothing := func(engine.Event) {}
	name := fmt.Sprintf("tasks of %v, recorded", each)
	if each == 0 {
		name = "empty tasks, recorded"
	}
	return benchCase{
		name: name, measures: recordMeasures,
		braid: run("braid, recorded", record.To),
		peers: []candidate{
			run("braid, not recorded", func(string) *engine.Listener { return nil }),
			run("braid, a listener that does nothing", func(string) *engine.Listener {
				return &engine.Listener{Submitted: nothing, Started: nothing, Finished: nothing}
			}),
		},
	}
}

// recordWindow is how many futures are awaited at once.
const recordWindow = 64

// readCase is a record of n spans, read to its end, beside a look at each of its bytes.
func readCase(dir string, n int) benchCase {
	path := filepath.Join(dir, "large.ndjson")
	prepare := func() error {
		if _, err := os.Stat(path); err == nil {
			return nil
		}
		b := record.Append(nil, &record.Run{Schema: record.Schema, ID: record.NewID(), Wall: time.Now()})
		for i := range n {
			at := time.Duration(i) * 5 * time.Microsecond
			b = record.Append(b, &record.Span{
				Start: at, End: at + 10*time.Microsecond, Call: uint64(i + 1), Engine: 1, Worker: 1 + i%poolWorkers, Input: i,
				Attempt: 1, Queued: max(at-time.Millisecond, 0), Task: "spin", State: record.StateOK, Last: true,
			})
		}
		return os.WriteFile(path, b, 0o600)
	}
	run := func(name string, read func(io.Reader) (int, error)) candidate {
		return candidate{name: name, run: func() ([]float64, error) {
			if err := prepare(); err != nil {
				return nil, err
			}
			f, err := os.Open(path)
			if err != nil {
				return nil, err
			}
			defer f.Close()
			began := time.Now()
			lines, err := read(f)
			took := time.Since(began)
			if err == nil && lines != n+1 {
				err = fmt.Errorf("there are %d lines; want %d", lines, n+1)
			}
			return []float64{took.Seconds()}, err
		}}
	}
	return benchCase{
		name: "a record of " + thousands(n) + " spans, read",
		braid: run("braid", func(f io.Reader) (lines int, err error) {
			for r := record.NewReader(f); ; lines++ {
				if _, err := r.Next(); err == io.EOF {
					return lines, nil
				} else if err != nil {
					return lines, err
				}
			}
		}),
		peers: []candidate{run("newlines, counted", func(f io.Reader) (int, error) {
			lines := 0
			buf := make([]byte, 256<<10)
			for {
				k, err := f.Read(buf)
				for _, c := range buf[:k] {
					if c == '\n' {
						lines++
					}
				}
				if err == io.EOF {
					return lines, nil
				}
				if err != nil {
					return 0, err
				}
			}
		})},
	}
}
