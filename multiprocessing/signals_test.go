//go:build unix

package multiprocessing_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/internal/proctest"
	"github.com/go-braid/braid/multiprocessing"
	"golang.org/x/sys/unix"
)

// signals says what becomes of a worker to which a signal is sent: it dies of it, the Go
// runtime ends it with code 2 and a few words, or nothing.
var signals = []struct {
	sig                syscall.Signal
	byKernel, byGo, no bool
}{
	{sig: syscall.SIGKILL, byKernel: true},
	{sig: syscall.SIGTERM, byKernel: true},
	{sig: syscall.SIGHUP, byKernel: true},
	{sig: syscall.SIGSEGV, byGo: true},
	{sig: syscall.SIGABRT, byGo: true},
	{sig: syscall.SIGBUS, byGo: true},
	{sig: syscall.SIGILL, byGo: true},
	{sig: syscall.SIGFPE, byGo: true},
	{sig: syscall.SIGTRAP, byGo: true},
	{sig: syscall.SIGSYS, byGo: true},
	{sig: syscall.SIGQUIT, byGo: true},
	{sig: syscall.SIGINT, no: true}, // the program decides
	{sig: syscall.SIGUSR1, no: true},
	{sig: syscall.SIGUSR2, no: true},
	{sig: syscall.SIGCHLD, no: true},
	{sig: syscall.SIGALRM, no: true},
	{sig: syscall.SIGWINCH, no: true},
	{sig: syscall.SIGURG, no: true},
	{sig: syscall.SIGCONT, no: true},
}

// TestSignals sends signals to a worker that runs a call, from inside and from outside,
// and to one that is idle.
func TestSignals(t *testing.T) {
	tell := newTeller()
	p := newPool(t, multiprocessing.Config{Workers: 2, Output: tell.output})
	stop := beside(t, p)
	ctx := context.Background()
	for _, s := range signals {
		name := unix.SignalName(s.sig)
		how := fmt.Sprintf("kill %d", s.sig)
		if s.no {
			how = fmt.Sprintf("signal %d", s.sig)
		}
		t.Run(name, func(t *testing.T) {
			before := p.Statistics().Deaths
			check := func(err error) {
				t.Helper()
				if s.no {
					if err != nil || p.Statistics().Deaths != before {
						t.Errorf("it is no reason to die: %v", err)
					}
					return
				}
				before++
				d := death{code: -1, signal: name}
				if s.byGo {
					d = death{code: 2, signal: name, reason: name}
				}
				d.check(t, crashOf(t, err), engine.PhaseRun)
			}
			_, err := outcome(t, braid.Submit(ctx, p, misbehave, how))
			check(err)
			if s.no {
				return
			}
			f := braid.Submit(ctx, p, misbehave, "tell deaf")
			_ = syscall.Kill(tell.next(t), s.sig)
			_, err = outcome(t, f)
			check(err)
		})
	}
	stop()
	wantSquare(t, p)
	for _, s := range signals {
		if s.no {
			continue
		}
		wantSquare(t, p)
		ws := p.Workers()
		before := p.Statistics().Deaths
		for _, w := range ws {
			_ = syscall.Kill(w.PID, s.sig)
		}
		eventually(t, "the idle workers are dead", func() bool { return p.Statistics().Deaths == before+uint64(len(ws)) })
	}
	wantSquare(t, p)
}

// TestStopped stops workers at each point of their lives. The pool notices, and ends
// them.
func TestStopped(t *testing.T) {
	needsLinux(t, "whether a process is stopped is known on Linux only")
	p := newPool(t, multiprocessing.Config{Workers: 2, Heartbeat: 200 * time.Millisecond, Output: hush})
	stop := beside(t, p)
	ctx := context.Background()
	for _, at := range []string{"decode", "run", "encode"} {
		t.Run(at, func(t *testing.T) {
			_, err := outcome(t, braid.Submit(ctx, p, carry, cargo{at, "stop"}))
			death{code: -1, signal: "SIGKILL"}.check(t, crashOf(t, err), engine.Phase(at))
			if errors.Is(err, braid.ErrPoison) != (at == "decode") {
				t.Errorf("the error is %v", err)
			}
		})
	}
	stop()
	t.Run("with a large argument on its way", func(t *testing.T) {
		// Whoever is given it is stopped already, or while it comes: it had not begun.
		for _, w := range p.Workers() {
			_ = syscall.Kill(w.PID, syscall.SIGSTOP)
		}
		large := braid.Submit(ctx, p, echoAgain, make([]byte, 32<<20))
		if got, err := outcome(t, large); err != nil || len(got) != 32<<20 {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	})
	t.Run("idle", func(t *testing.T) {
		wantSquare(t, p)
		before := p.Statistics().Deaths
		ws := p.Workers()
		for _, w := range ws {
			_ = syscall.Kill(w.PID, syscall.SIGSTOP)
		}
		// Until it is stopped, a worker could still begin a call.
		for _, w := range ws {
			eventually(t, "the worker is stopped, or dead by now", func() bool { return isStopped(w.PID) })
		}
		// Calls that stopped workers have taken are not lost: they had not begun.
		for range 2 {
			wantSquare(t, p)
		}
		eventually(t, "the stopped workers are dead", func() bool { return p.Statistics().Deaths >= before+uint64(len(ws)) })
	})
}

// isStopped reports whether no thread of the process can run.
func isStopped(pid int) bool {
	threads, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	for _, thread := range threads {
		switch stateIn(fmt.Sprintf("/proc/%d/task/%s/stat", pid, thread.Name())) {
		case "T", "Z", "X", "":
		default:
			return false
		}
	}
	return true
}

// TestStoppedAtStart stops a worker before it is ready; another takes its place.
func TestStoppedAtStart(t *testing.T) {
	needsLinux(t, "whether a process is stopped is known on Linux only")
	once := t.TempDir() + "/once"
	p := newPool(t, multiprocessing.Config{Workers: 1, Heartbeat: 100 * time.Millisecond, Output: hush,
		Env: append(multiprocessing.DefaultEnv, initEnv+"=stop", onceEnv+"="+once)})
	wantSquare(t, p)
	if _, err := os.Stat(once); err != nil {
		t.Error("no worker was stopped")
	}
}

// TestContinuedLate has a stopped worker go on after its call was cancelled. The call has
// one outcome, and the next one its own.
func TestContinuedLate(t *testing.T) {
	needsLinux(t, "whether a process is stopped is known on Linux only")
	tell := newTeller()
	p := newPool(t, multiprocessing.Config{Workers: 1, Heartbeat: -1, Grace: time.Hour, Output: tell.output})
	ctx := context.Background()
	f := braid.Submit(ctx, p, misbehave, "tell stop")
	pid := tell.next(t)
	eventually(t, "the worker is stopped", func() bool { return stateOf(pid) == "T" })
	f.Cancel(errSentinel)
	next := braid.Submit(ctx, p, whoami, struct{}{})
	_ = syscall.Kill(pid, syscall.SIGCONT)
	if got, err := outcome(t, f); err != nil || got != 0 {
		t.Errorf("the task did not heed the cancel: %d, %v", got, err)
	}
	if got, err := outcome(t, next); err != nil || got != pid {
		t.Errorf("the next call: process %d, %v; want %d", got, err, pid)
	}
	if s := p.Statistics(); s.Deaths != 0 || s.Strays != 0 {
		t.Errorf("%+v", s)
	}
}

// TestSignalStorm sends signals that are no reason to die, as fast as it goes, to the
// groups of the workers and to this process. Nothing fails, and one Close is enough.
func TestSignalStorm(t *testing.T) {
	p := newPool(t, multiprocessing.Config{Workers: 2, Output: hush})
	mine := make(chan os.Signal, 1)
	signal.Notify(mine, syscall.SIGINT, syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGCHLD)
	defer signal.Stop(mine)
	calls := some(1000)
	over := make(chan struct{})
	var storm sync.WaitGroup
	storm.Go(func() {
		sigs := []syscall.Signal{syscall.SIGINT, syscall.SIGUSR1, syscall.SIGCHLD, syscall.SIGWINCH, syscall.SIGURG}
		tick := time.NewTicker(200 * time.Microsecond)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-over:
				return
			case <-tick.C:
			}
			for _, w := range p.Workers() {
				if w.Tasks > 0 { // until it is ready, SIGINT ends it like any process
					_ = syscall.Kill(-w.PID, sigs[i%len(sigs)])
				}
			}
			_ = syscall.Kill(os.Getpid(), []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGUSR1, syscall.SIGCHLD}[i%4])
		}
	})
	i := 0
	for got, err := range braid.Map(context.Background(), p, innocent, func(yield func(int) bool) {
		for i := range calls {
			if !yield(i) {
				return
			}
		}
	}, braid.Retry(0)) {
		if err != nil || got != i+1 {
			t.Errorf("call %d: %d, %v", i, got, err)
		}
		i++
	}
	for i := range 20 { // and large ones, in the middle of which signals come
		if got, err := outcome(t, braid.Submit(context.Background(), p, echo, make([]byte, 1<<20+i))); err != nil || len(got) != 1<<20+i {
			t.Errorf("a large call: %d bytes, %v", len(got), err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := p.Close(ctx); err != nil {
		t.Errorf("Close under the storm: %v", err)
	}
	close(over)
	storm.Wait()
	if got := p.Statistics().Deaths; got != 0 {
		t.Errorf("%d workers died", got)
	}
}

// TestTermStorm sends SIGTERM to the groups of workers: calls die of it one by one, each
// with its error, and those that can be repeated succeed.
func TestTermStorm(t *testing.T) {
	p := newPool(t, multiprocessing.Config{Workers: 2, MaxKills: 1000, Output: hush})
	over := make(chan struct{})
	var storm sync.WaitGroup
	storm.Go(func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-over:
				return
			case <-tick.C:
			}
			for _, w := range p.Workers() {
				if w.Task != "" {
					_ = syscall.Kill(-w.PID, syscall.SIGTERM)
				}
			}
		}
	})
	for i := range some(100) {
		if got, err := outcome(t, braid.Submit(context.Background(), p, slowSquare, i)); err != nil || got != i*i {
			t.Errorf("call %d: %d, %v", i, got, err)
		}
	}
	close(over)
	storm.Wait()
}

// TestZombies starts many processes: each is reaped, and its number is not used to
// signal anybody afterwards.
func TestZombies(t *testing.T) {
	proctest.Check(t)
	n := some(200)
	p := newPool(t, multiprocessing.Config{Workers: 2, MaxTasksPerWorker: 1})
	seen := make(map[int]bool)
	for range n {
		pid, err := outcome(t, braid.Submit(context.Background(), p, whoami, struct{}{}))
		if err != nil {
			t.Fatal(err)
		}
		seen[pid] = true
	}
	if len(seen) != n {
		t.Errorf("%d calls ran in %d processes, want one for each", n, len(seen))
	}
	eventually(t, "all processes are reaped", func() bool {
		for pid := range seen {
			if s := stateOf(pid); s != "" && !strings.Contains("RSD", s) {
				return false
			}
		}
		return len(p.Workers()) <= 2
	})
}
