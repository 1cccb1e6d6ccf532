package command

import (
	"context"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"
)

// twice calls f n times, on two goroutines, and returns the time it took.
func twice(n int, f func()) time.Duration {
	start := time.Now()
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for range n / 2 {
				f()
			}
		})
	}
	wg.Wait()
	return time.Since(start)
}

// BenchmarkOverhead runs "true" with a Runner and with a bare os/exec loop by
// turns, 100 times each an operation, and reports the medians of both and what
// one is to the other. With -benchtime 20x these are 2,000 commands each.
func BenchmarkOverhead(b *testing.B) {
	const batch = 100
	r, err := NewRunner(Config{})
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	// A context that can be cancelled, as that of a run is.
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	bare := func() {
		if err := exec.Command("true").Run(); err != nil {
			b.Error(err)
		}
	}
	ours := func() {
		res, err := r.Run(ctx, Command{Args: []string{"true"}})
		if err != nil {
			b.Error(err)
		}
		res.Close()
	}
	var bares, runs []time.Duration
	for b.Loop() {
		bares = append(bares, twice(batch, bare))
		runs = append(runs, twice(batch, ours))
	}
	slices.Sort(bares)
	slices.Sort(runs)
	x, y := bares[len(bares)/2], runs[len(runs)/2]
	b.ReportMetric(float64(x.Nanoseconds())/batch, "ns/exec")
	b.ReportMetric(float64(y.Nanoseconds())/batch, "ns/run")
	b.ReportMetric(float64(y)/float64(x), "run/exec")
}

// BenchmarkSpool is what a command costs beside its process.
func BenchmarkSpool(b *testing.B) {
	s, err := newSpool("")
	if err != nil {
		b.Fatal(err)
	}
	defer s.close()
	b.ReportAllocs()
	for b.Loop() {
		for range 2 {
			st, err := s.open()
			if err != nil {
				b.Fatal(err)
			}
			s.recycle(st.started())
		}
		s.check()
	}
}
