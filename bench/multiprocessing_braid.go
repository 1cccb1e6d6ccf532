package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/multiprocessing"
)

// The tasks of the workers of braid.
var (
	nothing   = braid.Define("bench.nothing", func(context.Context, struct{}) (struct{}, error) { return struct{}{}, nil })
	same      = braid.Define("bench.same", func(_ context.Context, n int) (int, error) { return n, nil })
	sameBytes = braid.Define("bench.bytes", func(_ context.Context, b []byte) ([]byte, error) { return b, nil })
	sameReals = braid.Define("bench.floats", func(_ context.Context, v []float64) ([]float64, error) { return v, nil })
	identity  = braid.Define("bench.pid", func(context.Context, struct{}) (int, error) { return os.Getpid(), nil })
	busy      = braid.Define("bench.busy", func(_ context.Context, n int) (int, error) {
		for began := time.Now(); time.Since(began) < time.Millisecond; {
		}
		return n, nil
	}, braid.Idempotent())
)

// startBraid starts a pool of one worker, for the works of workerWorks.
func startBraid() (*worker, error) {
	ctx := context.Background()
	p, err := multiprocessing.NewPool(multiprocessing.Config{Workers: 1})
	if err != nil {
		return nil, err
	}
	w := &worker{
		call: func() error {
			_, err := braid.Submit(ctx, p, nothing, struct{}{}).Await(ctx)
			return err
		},
		bytes: func(b []byte) ([]byte, error) { return braid.Submit(ctx, p, sameBytes, b).Await(ctx) },
		floats: func(v []float64) ([]float64, error) {
			return braid.Submit(ctx, p, sameReals, v).Await(ctx)
		},
		stop: func() { _ = p.Close(ctx) },
	}
	w.pid, err = braid.Submit(ctx, p, identity, struct{}{}).Await(ctx)
	return w, err
}

// braidPools are the works that need a pool of two workers, by the name that the
// cases give them: "map" over n items returns the time of one; "storm" of n tasks
// returns the values that peers/pools.py says at storm.
var braidPools = map[string]func(n int) ([]float64, error){
	"map":   mapInBraid,
	"storm": stormInBraid,
}

// braidDoes says whether braid does a work.
func braidDoes(what string) bool { return braidPools[what] != nil || workerWorks[what] != nil }

// upTo yields the numbers below n.
func upTo(n int) func(func(int) bool) {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}

func mapInBraid(n int) ([]float64, error) {
	ctx := context.Background()
	p, err := multiprocessing.NewPool(multiprocessing.Config{Workers: 2})
	if err != nil {
		return nil, err
	}
	defer p.Close(ctx)
	once := func(n int) (float64, error) {
		began, i := time.Now(), 0
		for got, err := range braid.Map(ctx, p, same, upTo(n)) {
			if err != nil || got != i {
				return 0, fmt.Errorf("result %d is %d: %w", i, got, err)
			}
			i++
		}
		return time.Since(began).Seconds() / float64(n), nil
	}
	if _, err := once(n / 10); err != nil {
		return nil, err
	}
	each, err := once(n)
	return []float64{each}, err
}

// stormInBraid runs n tasks while a worker is killed each 20 ms, after a fifth of them
// without kills.
func stormInBraid(n int) ([]float64, error) {
	few := max(1, n/5)
	calm, _, _, err := storm(few, false)
	if err != nil {
		return nil, err
	}
	took, again, killed, err := storm(n, true)
	if err != nil {
		return nil, err
	}
	rate := float64(n) / took / (float64(few) / calm)
	return []float64{float64(n), took, rate, again, killed, 0}, nil
}

func storm(n int, kill bool) (took, again, killed float64, err error) {
	ctx := context.Background()
	var retries atomic.Int64
	p, err := multiprocessing.NewPool(multiprocessing.Config{
		Workers: 2, MaxKills: 100,
		Listener: &engine.Listener{Retrying: func(e engine.Event) {
			if !errors.Is(e.Err, braid.ErrNotStarted) {
				retries.Add(1)
			}
		}},
	})
	if err != nil {
		return 0, 0, 0, err
	}
	defer p.Close(ctx)
	var killer sync.WaitGroup
	over := make(chan struct{})
	if kill {
		killer.Go(func() {
			tick := time.NewTicker(20 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-over:
					return
				case <-tick.C:
				}
				if ws := p.Workers(); len(ws) > 0 {
					if pr, err := os.FindProcess(ws[rand.IntN(len(ws))].PID); err == nil && pr.Kill() == nil {
						killed++
					}
				}
			}
		})
	}
	began, i := time.Now(), 0
	for got, e := range braid.Map(ctx, p, busy, upTo(n)) {
		if e != nil || got != i {
			err = fmt.Errorf("result %d is %d: %w", i, got, e)
			break
		}
		i++
	}
	took = time.Since(began).Seconds()
	close(over)
	killer.Wait()
	if err == nil && i != n {
		err = fmt.Errorf("%d results of %d", i, n)
	}
	return took, float64(retries.Load()), killed, err
}
