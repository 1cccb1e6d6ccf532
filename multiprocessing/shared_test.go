//go:build linux

package multiprocessing_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/internal/proctest"
	"github.com/go-braid/braid/multiprocessing"
)

// must returns v, for constructors.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// mappings returns how many objects in shared memory this process has mapped.
func mappings(t testing.TB) int {
	t.Helper()
	b, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(b), "/memfd:braid-")
}

// checkShared is proctest.Check, and counts mappings as well.
func checkShared(t testing.TB) {
	t.Helper()
	proctest.Check(t)
	before := mappings(t)
	t.Cleanup(func() {
		for range 1000 {
			if mappings(t) <= before {
				return
			}
			runtime.Gosched()
		}
		t.Errorf("there are %d mappings, and %d before", mappings(t), before)
	})
}

// until waits for something that other strands or processes bring about.
func until(t testing.TB, what string, f func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	limit := time.After(30 * time.Second)
	for !f() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("%s: it has not come to that", what)
		}
	}
}

type closer interface{ Close() error }

func closeAtEnd(t testing.TB, c closer) {
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}

func newMutex(t testing.TB) *multiprocessing.Mutex {
	m := must(multiprocessing.NewMutex())(t)
	closeAtEnd(t, m)
	return m
}

func TestMutexInOneProcess(t *testing.T) {
	checkShared(t)
	m, ctx := newMutex(t), deadline(t)
	n := 0
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 500 {
				if err := m.Lock(ctx); err != nil {
					t.Error(err)
					return
				}
				n++
				m.Unlock()
			}
		})
	}
	wg.Wait()
	if n != 4000 {
		t.Errorf("n = %d", n)
	}
	if s := m.Statistics(); s != (multiprocessing.MutexStatistics{}) {
		t.Errorf("%+v", s)
	}
}

type mutexWork struct {
	Mutex *multiprocessing.Mutex
	Sum   *multiprocessing.Array[int64]
	Times int
}

var addUnderMutex = braid.Define("test.addUnderMutex", func(ctx context.Context, w mutexWork) (int, error) {
	defer w.Sum.Close()
	sum := w.Sum.Slice()
	for range w.Times {
		if err := w.Mutex.Lock(ctx); err != nil {
			return 0, err
		}
		sum[0]++ // not atomic
		w.Mutex.Unlock()
	}
	return os.Getpid(), w.Mutex.Close()
})

func TestMutexAcrossProcesses(t *testing.T) {
	checkShared(t)
	ctx := deadline(t)
	for _, pipes := range []bool{false, true} {
		m := newMutex(t)
		sum := must(multiprocessing.NewArray[int64](1))(t)
		closeAtEnd(t, sum)
		p := newPool(t, multiprocessing.Config{Workers: 3, Pipes: pipes})
		var fs []*braid.Future[int]
		for range 3 {
			fs = append(fs, braid.Submit(ctx, p, addUnderMutex, mutexWork{m, sum, 2000}))
		}
		for _, f := range fs {
			if _, err := f.Await(ctx); err != nil {
				t.Fatal(err)
			}
		}
		if got := sum.Load(0); got != 6000 {
			t.Errorf("the sum is %d", got)
		}
	}
}

var _ = fmt.Sprint
var _ = math.Pi
var _ = errors.New
var _ atomic.Int32
