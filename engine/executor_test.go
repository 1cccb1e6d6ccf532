package engine

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-braid/braid/strand"
	"go.uber.org/goleak"
)

// wrapper is an executor around another.
type wrapper struct{ Executor }

func (w wrapper) Unwrap() Executor { return w.Executor }

// opaque hides what is inside.
type opaque struct{ ex Executor }

func (o opaque) Start(ctx context.Context, c *Call) { o.ex.Start(ctx, c) }

func TestAs(t *testing.T) {
	s := NewSerial(nil)
	if got, ok := As[*Serial](wrapper{wrapper{s}}); !ok || got != s {
		t.Errorf("As[*Serial] = %v, %v, want the serial engine inside", got, ok)
	}
	if got, ok := As[wrapper](wrapper{s}); !ok || got.Executor != s {
		t.Errorf("As[wrapper] = %v, %v, want the outermost", got, ok)
	}
	if got, ok := As[*Goroutines](wrapper{s}); ok || got != nil {
		t.Errorf("As[*Goroutines] = %v, %v, want none", got, ok)
	}
	if _, ok := As[*Serial](opaque{s}); ok {
		t.Error("As looked into an executor without Unwrap")
	}
	if _, ok := As[*Serial](nil); ok {
		t.Error("As found something in nil")
	}
	if _, ok := As[*Serial](wrapper{nil}); ok {
		t.Error("As found something behind a wrapper of nil")
	}
}

func TestSize(t *testing.T) {
	if n := Size(wrapper{NewSerial(nil)}); n != 1 {
		t.Errorf("Size of the serial engine = %d, want 1", n)
	}
	if n := Size(NewGoroutines(nil)); n != runtime.GOMAXPROCS(0) {
		t.Errorf("Size of an engine without a size = %d, want GOMAXPROCS", n)
	}
}

func TestSerialRunsOneAfterTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSerial(nil)
		var order []string
		for _, name := range []string{"a", "b"} {
			attempts := 0
			// The retry is part of the call: b may not begin in the pause of a.
			policy := Policy{Retry: Retry{Max: 1, Base: time.Hour}}
			complete := false
			s.Start(context.Background(), NewCall(Spec{Policy: policy}, &body{
				run: func(ctx context.Context) error {
					order = append(order, name)
					if attempts++; attempts == 1 {
						return errTest
					}
					return strand.Sleep(ctx, time.Minute)
				},
				done: func(err error) {
					complete = true
					if err != nil {
						t.Errorf("call %s: %v", name, err)
					}
				},
			}))
			if !complete {
				t.Errorf("Start returned before call %s was complete", name)
			}
		}
		if want := []string{"a", "a", "b", "b"}; !slices.Equal(order, want) {
			t.Errorf("the attempts came in the order %v, want %v", order, want)
		}
	})
}

func TestSerialNested(t *testing.T) {
	s := NewSerial(nil)
	err := runOn(t, s, Spec{}, func(ctx context.Context) error {
		return runUnder(ctx, s, Spec{}, func(context.Context) error { return errTest })
	})
	if !errors.Is(err, errTest) {
		t.Errorf("the outcome is %v, want the inner failure", err)
	}
}

func TestGoexitEndsTheTaskAlone(t *testing.T) {
	for _, ex := range []Executor{NewSerial(nil), NewGoroutines(nil)} {
		reached := false
		var wg sync.WaitGroup
		wg.Go(func() {
			err := runOn(t, ex, Spec{}, func(context.Context) error { runtime.Goexit(); return nil })
			reached = errors.Is(err, ErrGoexit)
		})
		wg.Wait()
		if !reached {
			t.Errorf("%T: the goroutine that submitted the call ended with it, or the outcome is not ErrGoexit", ex)
		}
	}
}

func TestBodiesAreStrandsOfTheirOwn(t *testing.T) {
	outer := struct{ strand.Goroutine }{}
	ctx := strand.WithParker(context.Background(), outer)
	for _, ex := range []Executor{NewSerial(nil), NewGoroutines(nil)} {
		err := runUnder(ctx, ex, Spec{}, func(ctx context.Context) error {
			if strand.ParkerOf(ctx) == outer {
				t.Errorf("%T: the body would park the strand that submitted it", ex)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

func TestGoroutinesLeaveNothingBehind(t *testing.T) {
	defer goleak.VerifyNone(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	policy := Policy{Timeout: time.Hour, QueueTimeout: time.Hour, Retry: Retry{Max: 2, Base: -1}}
	for _, run := range []func(context.Context) error{
		nothing,
		func(context.Context) error { return errTest },
		func(context.Context) error { panic(errTest) },
		func(context.Context) error { runtime.Goexit(); return nil },
	} {
		for _, ex := range []Executor{NewSerial(nil), NewGoroutines(nil)} {
			_ = runUnder(ctx, ex, Spec{Policy: policy}, run)
		}
	}
}
