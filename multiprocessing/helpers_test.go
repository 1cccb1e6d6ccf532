//go:build unix

package multiprocessing_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/internal/proctest"
	"github.com/go-braid/braid/multiprocessing"
)

// newPool returns a pool that is closed, and has left nothing behind, at the end of t.
func newPool(t testing.TB, cfg multiprocessing.Config) *multiprocessing.Pool {
	t.Helper()
	proctest.Check(t)
	p, err := multiprocessing.NewPool(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := p.Close(ctx); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return p
}

func deadline(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// some returns how often a test does what it does: n times, or a fraction of that under
// the race detector or with -short.
func some(n int) int {
	if raceEnabled || testing.Short() {
		return max(n/6, 3)
	}
	return n
}

// hush drops what workers write.
func hush(multiprocessing.Output) {}

// eventually waits until cond holds.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); !cond(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("it did not come about that %s", what)
		}
	}
}

// isAlive reports whether a process runs; a zombie does not.
func isAlive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	state := stateOf(pid)
	if state == "" {
		return runtime.GOOS != "linux"
	}
	return state != "Z" && state != "X"
}

// stateOf returns the letter by which the kernel describes what a process does, or
// nothing if there is no such process or no way to know.
func stateOf(pid int) string { return stateIn(fmt.Sprintf("/proc/%d/stat", pid)) }

// stateIn is stateOf for a process or a thread whose file that is.
func stateIn(path string) string {
	stat, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) == 0 {
		return ""
	}
	return fields[0]
}

// innocent takes a moment and never fails by itself.
var innocent = braid.Define("test.innocent", func(_ context.Context, n int) (int, error) {
	for end := time.Now().Add(100 * time.Microsecond); time.Now().Before(end); {
	}
	return n + 1, nil
})

// beside has innocent calls run on p, one at a time, until t ends or stop is called.
// Whatever happens to others, none of them may fail.
func beside(t testing.TB, p braid.Executor) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var run sync.WaitGroup
	run.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			f := braid.Submit(context.Background(), p, innocent, n)
			select {
			case <-f.Done():
			case <-time.After(30 * time.Second):
				t.Errorf("innocent call %d does not come to its end", n)
				return
			}
			if got, err := f.Await(context.Background()); err != nil || got != n+1 {
				t.Errorf("innocent call %d: %d, %v", n, got, err)
				return
			}
		}
	})
	stop = sync.OnceFunc(func() {
		cancel()
		run.Wait()
	})
	t.Cleanup(stop)
	return stop
}

// outcome awaits a call that has to come to its end before long.
func outcome[T any](t testing.TB, f *braid.Future[T]) (T, error) {
	t.Helper()
	select {
	case <-f.Done():
	case <-time.After(30 * time.Second):
		var none T
		t.Errorf("a call does not come to its end")
		return none, errors.New("test: no outcome")
	}
	return f.Await(context.Background())
}

// wantSquare makes sure that the pool works.
func wantSquare(t testing.TB, p braid.Executor) {
	t.Helper()
	if got, err := outcome(t, braid.Submit(context.Background(), p, square, 12)); err != nil || got != 144 {
		t.Errorf("a call afterwards: %d, %v", got, err)
	}
}

// crashOf returns the crash that err tells of.
func crashOf(t testing.TB, err error) *engine.CrashError {
	t.Helper()
	crash, ok := errors.AsType[*braid.CrashError](err)
	if !ok {
		t.Errorf("the error tells of no crash: %v", err)
		return &engine.CrashError{}
	}
	return crash
}

// needsLinux skips t elsewhere, for a reason.
func needsLinux(t testing.TB, why string) {
	t.Helper()
	if runtime.GOOS != "linux" {
		proctest.Skip(t, "%s", why)
	}
}

// running waits until so many calls run.
func running(t testing.TB, p *multiprocessing.Pool, n int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d calls run", n), func() bool {
		calls := 0
		for _, w := range p.Workers() {
			if w.Task != "" {
				calls++
			}
		}
		return calls == n
	})
}

// A teller hears from tasks that they run: they print "running" and their process.
type teller chan int

func newTeller() teller { return make(teller, 1000) }

func (l teller) output(o multiprocessing.Output) {
	var pid int
	if _, err := fmt.Sscanf(o.Text, "running %d", &pid); err == nil {
		l <- pid
	}
}

// next waits for the next one, and returns its process.
func (l teller) next(t testing.TB) int {
	t.Helper()
	select {
	case pid := <-l:
		return pid
	case <-time.After(30 * time.Second):
		t.Fatalf("no task says that it runs")
		return 0
	}
}
