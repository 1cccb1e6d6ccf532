package strand_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-braid/braid/strand"
)

var errCause = errors.New("the cause")

// An object is one way to wait, seen through the public functions: wait waits,
// satisfy makes one such wait succeed, and spare counts what satisfy has given
// that nobody took.
type object struct {
	name    string
	op      strand.Op // without the object
	wait    func(context.Context) error
	satisfy func()
	spare   func() int
	waiting func() int
}

func objects() []object {
	m := new(strand.Mutex)
	m.TryLock()
	e := new(strand.Event)
	s := strand.NewSemaphore(0)
	empty := strand.NewQueue[int](8)
	full := strand.NewQueue[int](1)
	full.TryPut(0)
	return []object{
		{
			name: "Mutex", op: strand.Op{Object: m, Kind: strand.OpLock, Access: strand.Write},
			wait: m.Lock, satisfy: m.Unlock,
			spare: func() int {
				if m.Statistics().Locked {
					return 0
				}
				return 1
			},
			waiting: func() int { return m.Statistics().Waiting },
		},
		{
			name: "Event", op: strand.Op{Object: e, Kind: strand.OpWait, Access: strand.Read},
			wait: func(ctx context.Context) error {
				err := e.Wait(ctx)
				if err == nil {
					e.Clear() // to count as taken
				}
				return err
			},
			satisfy: e.Set,
			spare: func() int {
				if e.IsSet() {
					return 1
				}
				return 0
			},
			waiting: func() int { return e.Statistics().Waiting },
		},
		{
			name: "Semaphore", op: strand.Op{Object: s, Kind: strand.OpAcquire, Access: strand.Write},
			wait:    func(ctx context.Context) error { return s.Acquire(ctx, 1) },
			satisfy: func() { s.Release(1) },
			spare:   func() int { return s.Statistics().Free },
			waiting: func() int { return s.Statistics().Waiting },
		},
		{
			name: "Queue.Get", op: strand.Op{Object: empty, Kind: strand.OpGet, Access: strand.Write},
			wait:    func(ctx context.Context) error { _, err := empty.Get(ctx); return err },
			satisfy: func() { empty.TryPut(1) },
			spare:   func() int { return empty.Statistics().Len },
			waiting: func() int { return empty.Statistics().Getters },
		},
		{
			name: "Queue.Put", op: strand.Op{Object: full, Kind: strand.OpPut, Access: strand.Write},
			wait:    func(ctx context.Context) error { return full.Put(ctx, 1) },
			satisfy: func() { full.TryGet() },
			spare:   func() int { return 1 - full.Statistics().Len },
			waiting: func() int { return full.Statistics().Putters },
		},
	}
}

// TestCancelAgainstWake places the cancel and the wake-up of one wait at every
// point at which they can meet: whoever loses, what was waited for is either with
// the waiter or where the next one finds it.
func TestCancelAgainstWake(t *testing.T) {
	const (
		never = iota
		beforePark
		beforeArm
		parkedFirst
		parkedSecond
		inWake
	)
	for _, tc := range []struct {
		name         string
		cancel, wake int
		taken        bool
	}{
		{"woken", never, parkedFirst, true},
		{"woken before it is armed", never, beforeArm, true},
		{"cancelled", parkedFirst, never, false},
		{"cancelled before it parks", beforePark, never, false},
		{"cancelled then woken", parkedFirst, parkedSecond, false},
		{"woken then cancelled", parkedSecond, parkedFirst, true},
		{"woken before it is armed, then cancelled", parkedFirst, beforeArm, true},
		{"cancelled before it is armed, then woken", beforeArm, parkedFirst, true},
		{"cancelled and woken before it is armed", beforeArm, beforeArm, true},
		{"cancelled inside wake", inWake, parkedFirst, true},
	} {
		for _, o := range objects() {
			t.Run(o.name+"/"+tc.name, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(bg)
				defer cancel(nil)
				p := &fakeParker{}
				at := func(point int) {
					if tc.cancel == point {
						cancel(errCause)
					}
					if tc.wake == point {
						o.satisfy()
					}
				}
				// The parker acts on a cancel when p.parked returns; so a wake-up
				// that comes after it comes after the wait.
				cancelFirst := tc.cancel == parkedFirst && tc.wake == parkedSecond
				p.beforeArm = func() { at(beforeArm) }
				p.parked = func() {
					at(parkedFirst)
					if !cancelFirst {
						at(parkedSecond)
					}
				}
				p.onWake = func(w strand.Waitable) {
					at(inWake)
					if w.Disarm() {
						t.Error("Disarm returned true although wake was called")
					}
				}
				at(beforePark)
				err := o.wait(strand.WithParker(ctx, p))
				if cancelFirst {
					at(parkedSecond)
				}

				if len(p.ops) != 1 || p.ops[0] != o.op {
					t.Errorf("published %v, want %v", p.ops, o.op)
				}
				if n := o.waiting(); n != 0 {
					t.Errorf("%d strands wait, want 0", n)
				}
				if tc.taken {
					if err != nil {
						t.Errorf("the error is %v, want nil", err)
					}
				} else if !errors.Is(err, context.Canceled) || !errors.Is(err, errCause) {
					t.Errorf("the error is %v, want one that is context.Canceled and the cause", err)
				}
				want := 0
				if tc.wake != never && !tc.taken {
					want = 1
				}
				if got := o.spare(); got != want {
					t.Errorf("%d left over, want %d", got, want)
				}
			})
		}
	}
}

// TestCancelRacesWake lets the two race for real, many times.
func TestCancelRacesWake(t *testing.T) {
	const rounds = 2000
	for _, o := range objects() {
		t.Run(o.name, func(t *testing.T) {
			won := 0
			for range rounds {
				ctx, cancel := context.WithCancel(bg)
				var wg sync.WaitGroup
				wg.Go(func() {
					spin(rand.IntN(50))
					cancel()
				})
				wg.Go(func() {
					spin(rand.IntN(50))
					o.satisfy()
				})
				err := o.wait(ctx)
				wg.Wait()
				if n := o.waiting(); n != 0 {
					t.Fatalf("%d strands wait, want 0", n)
				}
				want := 0
				if err != nil {
					want = 1
					if !errors.Is(err, context.Canceled) {
						t.Fatalf("the error is %v, want context.Canceled", err)
					}
				} else {
					won++
				}
				if got := o.spare(); got != want {
					t.Fatalf("the wait returned %v and %d are left over, want %d", err, got, want)
				}
				if want == 1 { // take it, for the next round to begin like this one
					if err := o.wait(bg); err != nil {
						t.Fatal(err)
					}
				}
			}
			t.Logf("the wake-up won %d of %d rounds", won, rounds)
		})
	}
}

func spin(n int) {
	for range n {
		runtime.Gosched()
	}
}

// latch is an object of one's own, built on Park: it can be opened once.
type latch struct {
	mu    sync.Mutex
	open  bool
	wakes map[*latchWait]func()
}

type latchWait struct{ l *latch }

func (w *latchWait) Arm(wake func()) bool {
	w.l.mu.Lock()
	defer w.l.mu.Unlock()
	if w.l.open {
		return false
	}
	if w.l.wakes == nil {
		w.l.wakes = make(map[*latchWait]func())
	}
	w.l.wakes[w] = wake
	return true
}

func (w *latchWait) Disarm() bool {
	w.l.mu.Lock()
	defer w.l.mu.Unlock()
	_, waiting := w.l.wakes[w]
	delete(w.l.wakes, w)
	return waiting
}

func (l *latch) Open() {
	l.mu.Lock()
	wakes := l.wakes
	l.open, l.wakes = true, nil
	l.mu.Unlock()
	for _, wake := range wakes {
		wake()
	}
}

func (l *latch) Wait(ctx context.Context) error {
	op := strand.Op{Object: l, Kind: strand.OpWait, Access: strand.Read}
	return strand.Park(ctx, op, &latchWait{l})
}

func TestParkCustomObject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l latch
		ctx, cancel := context.WithCancelCause(bg)
		errs := make(chan error, 3)
		go func() { errs <- l.Wait(ctx) }()
		synctest.Wait()
		cancel(errCause)
		if err := <-errs; !errors.Is(err, errCause) {
			t.Errorf("the cancelled wait returned %v, want the cause", err)
		}
		go func() { errs <- l.Wait(bg) }()
		go func() { errs <- l.Wait(bg) }()
		synctest.Wait()
		if len(l.wakes) != 2 {
			t.Fatalf("%d strands wait, want 2", len(l.wakes))
		}
		l.Open()
		for range 2 {
			if err := <-errs; err != nil {
				t.Errorf("Wait returned %v, want nil", err)
			}
		}
		if err := l.Wait(bg); err != nil {
			t.Errorf("Wait for an open latch returned %v", err)
		}
	})
}

// countingWait counts how often it is armed.
type countingWait struct{ armed int }

func (w *countingWait) Arm(func()) bool { w.armed++; return false }
func (w *countingWait) Disarm() bool    { panic("Disarm of a wait that was not armed") }

func TestGoroutineParkDoneContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(bg)
	cancel(errCause)
	var w countingWait
	if err := strand.Park(ctx, strand.Op{}, &w); !errors.Is(err, errCause) {
		t.Errorf("Park returned %v, want the cause", err)
	}
	if w.armed != 0 {
		t.Error("the wait was armed although its context was done from the start")
	}
	if err := strand.Park(bg, strand.Op{}, &w); err != nil || w.armed != 1 {
		t.Errorf("Park of what need not wait returned %v and armed it %d times, want nil and 1", err, w.armed)
	}
}

// earlyWait calls wake before Arm returns.
type earlyWait struct{}

func (earlyWait) Arm(wake func()) bool { wake(); return true }
func (earlyWait) Disarm() bool         { return false }

func TestGoroutineParkWokenInsideArm(t *testing.T) {
	if err := strand.Park(bg, strand.Op{}, earlyWait{}); err != nil {
		t.Errorf("Park returned %v, want nil", err)
	}
}

// lostWait is one whose wake-up is decided when the cancel arrives.
type lostWait struct {
	cancel func()
	wake   func()
}

func (w *lostWait) Arm(wake func()) bool { w.wake = wake; w.cancel(); return true }
func (w *lostWait) Disarm() bool         { go w.wake(); return false }

func TestGoroutineParkWaitsForALostCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(bg)
	if err := strand.Park(ctx, strand.Op{}, &lostWait{cancel: cancel}); err != nil {
		t.Errorf("Park returned %v, want nil: the wake-up has won", err)
	}
}

func TestParkerOf(t *testing.T) {
	if p := strand.ParkerOf(bg); p != (strand.Goroutine{}) {
		t.Errorf("a bare context has the parker %T, want Goroutine", p)
	}
	p := &fakeParker{}
	ctx := strand.WithParker(bg, p)
	if got := strand.ParkerOf(ctx); got != p {
		t.Errorf("ParkerOf gave %v, want the parker that WithParker set", got)
	}
	inner := &fakeParker{}
	if got := strand.ParkerOf(strand.WithParker(ctx, inner)); got != inner {
		t.Error("the inner parker does not hide the outer one")
	}
}

func TestDetach(t *testing.T) {
	type key struct{}
	if strand.Detach(bg) != bg {
		t.Error("Detach of a context without a parker made a new one")
	}
	deadline := time.Now().Add(time.Hour)
	ctx, cancel := context.WithDeadline(context.WithValue(bg, key{}, "value"), deadline)
	defer cancel()
	d := strand.Detach(strand.WithParker(ctx, &fakeParker{}))
	if p := strand.ParkerOf(d); p != (strand.Goroutine{}) {
		t.Errorf("the detached context has the parker %T, want Goroutine", p)
	}
	if d.Value(key{}) != "value" {
		t.Error("Detach lost a value")
	}
	if got, _ := d.Deadline(); !got.Equal(deadline) {
		t.Errorf("the deadline is %v, want %v", got, deadline)
	}
	cancel()
	if d.Err() == nil {
		t.Error("the cancelling does not reach the detached context")
	}
}

func TestParkerIsAsked(t *testing.T) {
	start := time.Date(2000, 1, 2, 3, 4, 5, 6, time.UTC)
	p := &fakeParker{now: start}
	ctx := strand.WithParker(bg, p)
	if err := strand.Sleep(ctx, time.Minute); err != nil {
		t.Error(err)
	}
	if err := strand.Sleep(ctx, 0); err != nil {
		t.Error(err)
	}
	if err := strand.Sleep(ctx, -1); err != nil {
		t.Error(err)
	}
	if err := strand.Yield(ctx); err != nil {
		t.Error(err)
	}
	if len(p.sleeps) != 1 || p.sleeps[0] != time.Minute {
		t.Errorf("the parker slept %v, want one minute", p.sleeps)
	}
	if p.yields != 3 {
		t.Errorf("the parker yielded %d times, want 3: Sleep of nothing is Yield", p.yields)
	}
	if now := strand.Now(ctx); !now.Equal(start.Add(time.Minute)) {
		t.Errorf("Now is %v, want the parker's %v", now, start.Add(time.Minute))
	}
}
