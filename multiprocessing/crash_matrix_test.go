//go:build unix

package multiprocessing_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/multiprocessing"
)

// A death is a way for a worker to die, and what is known of it afterwards.
type death struct {
	how    string
	code   int
	signal string
	reason string
}

// deaths do not depend on who looks: they happen at once.
var deaths = []death{
	{how: "exit 0", code: 0}, // without a result that is no success
	{how: "exit 3", code: 3},
	{how: "kill 9", code: -1, signal: "SIGKILL"},
	{how: "kill 15", code: -1, signal: "SIGTERM"},
	{how: "kill 11", code: 2, signal: "SIGSEGV", reason: "SIGSEGV"},
	{how: "kill 6", code: 2, signal: "SIGABRT", reason: "SIGABRT"},
	{how: "unlock", code: 2, reason: "fatal error: sync: unlock of unlocked mutex"},
	{how: "elsewhere", code: 2, reason: "panic: elsewhere"},
	{how: "maps", code: 2, reason: "fatal error: concurrent map writes"},
}

func (d death) check(t *testing.T, c *engine.CrashError, phase engine.Phase) {
	t.Helper()
	if c.ExitCode != d.code || c.Signal != d.signal || !strings.Contains(c.Reason, d.reason) || c.Phase != phase || c.PID == 0 || c.OOM {
		t.Errorf("code %d, signal %q, reason %q, phase %q", c.ExitCode, c.Signal, c.Reason, c.Phase)
	}
}

// A fault is a row of the matrix: a trap, and what is to become of the call.
type fault struct {
	cargo
	check func(t *testing.T, err error)
	kills int // workers that it costs
}

// crashMatrix is every fault at every point of a call's way.
func crashMatrix() []fault {
	var rows []fault
	add := func(at, how string, kills int, check func(*testing.T, error)) {
		rows = append(rows, fault{cargo{at, how}, check, kills})
	}
	// What happens in the codec fails the call alone, and says where.
	for _, how := range []string{"error", "panic", "nil"} {
		for at, phase := range map[string]engine.Phase{
			"submit": engine.PhaseSubmit, "decode": engine.PhaseDecode, "encode": engine.PhaseEncode, "result": engine.PhaseResult,
		} {
			add(at, how, 0, func(t *testing.T, err error) {
				c, ok := errors.AsType[*engine.CodecError](err)
				if !ok || c.Phase != phase {
					t.Errorf("the error is %v", err)
				}
				if ran := at == "encode" || at == "result"; errors.Is(err, braid.ErrNotStarted) == ran {
					t.Errorf("whether the task has run: %v", err)
				}
			})
		}
	}
	add("run", "error", 0, func(t *testing.T, err error) {
		if err == nil || !strings.HasSuffix(err.Error(), ": no") {
			t.Errorf("the error is %v", err)
		}
	})
	for _, how := range []string{"panic", "nil"} {
		add("run", how, 0, func(t *testing.T, err error) {
			if p, ok := errors.AsType[*braid.PanicError](err); !ok || !strings.Contains(string(p.Stack), "misbehaving") {
				t.Errorf("the error is %v", err)
			}
		})
	}
	for _, at := range []string{"decode", "run", "encode"} {
		add(at, "goexit", 0, func(t *testing.T, err error) {
			if !errors.Is(err, braid.ErrGoexit) {
				t.Errorf("the error is %v", err)
			}
		})
	}
	// A death in the worker is charged to the call. Where the task has not begun,
	// others may try.
	ds := append(deaths, death{how: "stack", code: 2, reason: "goroutine stack exceeds"})
	for _, d := range ds {
		for at, phase := range map[string]engine.Phase{"run": engine.PhaseRun, "encode": engine.PhaseEncode} {
			if d.how == "stack" && at == "encode" {
				continue // it is slow
			}
			add(at, d.how, 1, func(t *testing.T, err error) {
				d.check(t, crashOf(t, err), phase)
				if errors.Is(err, braid.ErrNotStarted) || errors.Is(err, braid.ErrPoison) {
					t.Errorf("the error is %v", err)
				}
			})
		}
		if d.how == "stack" {
			continue
		}
		add("decode", d.how, 3, func(t *testing.T, err error) {
			d.check(t, crashOf(t, err), engine.PhaseDecode)
			if !errors.Is(err, braid.ErrNotStarted) || !errors.Is(err, braid.ErrPoison) {
				t.Errorf("the error is %v", err)
			}
		})
	}
	return rows
}

// TestCrashMatrix has everything go wrong at every point of a call's way, for calls
// that are submitted by a strand and for calls submitted by who hears of an outcome.
// It is loky's matrix of crashes, and more. Other calls notice nothing.
func TestCrashMatrix(t *testing.T) {
	for _, pipes := range []bool{false, true} {
		link := "ring"
		if pipes {
			link = "pipes"
		}
		t.Run(link, func(t *testing.T) { runMatrix(t, pipes) })
	}
}

func runMatrix(t *testing.T, pipes bool) {
	// The runtime notices concurrent writes only if they are at the same time.
	p := newPool(t, multiprocessing.Config{Workers: 2, Processors: 2, Pipes: pipes, Output: hush})
	stop := beside(t, p)
	for i, f := range crashMatrix() {
		if testing.Short() && i%3 != 0 || f.How == "stack" && pipes {
			continue
		}
		before := p.Statistics().Deaths
		submit := func() *braid.Future[cargo] { return braid.Submit(context.Background(), p, carry, f.cargo) }
		if i%2 == 0 != pipes {
			t.Run(f.How+" "+f.At, func(t *testing.T) { f.run(t, p, before, submit()) })
			continue
		}
		t.Run(f.How+" "+f.At+" from a callback", func(t *testing.T) {
			submitted := make(chan *braid.Future[cargo], 1)
			braid.Submit(context.Background(), p, innocent, 1).OnDone(func() { submitted <- submit() })
			next := make(chan *braid.Future[int], 1)
			trapped := <-submitted
			trapped.OnDone(func() { next <- braid.Submit(context.Background(), p, square, 7) })
			f.run(t, p, before, trapped)
			if got, err := outcome(t, <-next); err != nil || got != 49 {
				t.Errorf("the call submitted by who heard of the fault: %d, %v", got, err)
			}
		})
	}
	stop()
	wantSquare(t, p)
}

func (f fault) run(t *testing.T, p *multiprocessing.Pool, before uint64, future *braid.Future[cargo]) {
	_, err := outcome(t, future)
	if err == nil {
		t.Fatal("the call succeeded")
	}
	f.check(t, err)
	if got := int(p.Statistics().Deaths - before); got != f.kills {
		t.Errorf("it cost %d workers, want %d", got, f.kills)
	}
	if engine.Interrupted(err) {
		t.Errorf("the error says that the call was interrupted: %v", err)
	}
}

// TestHangMatrix has calls hang at every point of their way in the worker; the limit of
// their time, or a cancel, ends them all the same.
func TestHangMatrix(t *testing.T) {
	tell := newTeller()
	p := newPool(t, multiprocessing.Config{Workers: 2, Grace: 20 * time.Millisecond, Output: tell.output})
	stop := beside(t, p)
	for _, how := range []string{"deaf", "busy", "locked", "stop"} {
		for _, at := range []string{"decode", "run", "encode"} {
			for _, cancel := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s %s, cancelled %v", how, at, cancel), func(t *testing.T) {
					before := p.Statistics().Deaths
					var opts []braid.Option
					if !cancel {
						opts = append(opts, braid.Timeout(20*time.Millisecond))
					}
					f := braid.Submit(context.Background(), p, carry, cargo{at, "tell " + how}, opts...)
					if cancel {
						tell.next(t)
						f.Cancel(errSentinel)
					}
					_, err := outcome(t, f)
					if !engine.Interrupted(err) || engine.Cancelled(err) != cancel || errors.Is(err, errSentinel) != cancel {
						t.Errorf("the error is %v", err)
					}
					if got := p.Statistics().Deaths - before; got != 1 && !errors.Is(err, braid.ErrNotStarted) {
						t.Errorf("it cost %d workers", got)
					}
				})
			}
		}
	}
	stop()
	wantSquare(t, p)
}

// TestClosedDescriptors: a task that closes the descriptors of its worker, or puts others
// in their place, costs that worker and nobody else anything.
func TestClosedDescriptors(t *testing.T) {
	for _, pipes := range []bool{false, true} {
		t.Run(map[bool]string{false: "ring", true: "pipes"}[pipes], func(t *testing.T) {
			p := newPool(t, multiprocessing.Config{Workers: 2, Pipes: pipes, Output: hush})
			stop := beside(t, p)
			for _, how := range []string{"close", "dup"} {
				_, err := outcome(t, braid.Submit(context.Background(), p, misbehave, how))
				// Whoever notices first ends it: the pool, its control link, or the runtime.
				if c := crashOf(t, err); c.Phase != engine.PhaseRun {
					t.Errorf("%s: %v", how, err)
				}
			}
			stop()
			wantSquare(t, p)
		})
	}
}

// slowReader is a result that takes its time to be read in the program.
type slowReader struct{ N int }

var (
	readerIsIn  = make(chan struct{})
	readerMayGo = make(chan struct{})
)

func (r slowReader) MarshalText() ([]byte, error) { return []byte{byte(r.N)}, nil }

func (r *slowReader) UnmarshalText(b []byte) error {
	if !multiprocessing.IsWorker() {
		readerIsIn <- struct{}{}
		<-readerMayGo
	}
	r.N = int(b[0])
	return nil
}

var slowResult = braid.Define("test.slowResult", func(_ context.Context, n int) (slowReader, error) { return slowReader{n}, nil })

// TestSlowResult: a result that hangs while it is read in the program holds up its own
// call, and no other.
func TestSlowResult(t *testing.T) {
	for _, pipes := range []bool{false, true} {
		t.Run(map[bool]string{false: "ring", true: "pipes"}[pipes], func(t *testing.T) {
			p := newPool(t, multiprocessing.Config{Workers: 2, Pipes: pipes})
			f := braid.Submit(context.Background(), p, slowResult, 7)
			go func() { _, _ = f.Await(context.Background()) }() // and may read it itself
			<-readerIsIn
			for range 20 {
				wantSquare(t, p)
			}
			readerMayGo <- struct{}{}
			if got, err := outcome(t, f); err != nil || got.N != 7 {
				t.Errorf("the slow result: %d, %v", got.N, err)
			}
		})
	}
}
