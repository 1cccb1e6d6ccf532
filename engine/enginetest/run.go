package enginetest

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/go-braid/braid/engine"
)

var runRules = []rule{
	{"Panic", "a panic of a task fails its call with the value and the stack of the panic", 0, mishapRule("a panic")},
	{"PanicNil", "panic(nil) of a task fails its call with a *runtime.PanicNilError", 0, mishapRule("a panic with nil")},
	{"PanicError", "the error that a task panics with is found with errors.Is", 0, mishapRule("a panic with an error")},
	{"Goexit", "a task that calls runtime.Goexit fails its call with ErrGoexit", 0, mishapRule("Goexit")},
	{"FailNow", "a task that calls FailNow of package testing fails its call with ErrGoexit", 0, mishapRule("FailNow")},
	{"PanicInGoexit", "a panic during runtime.Goexit fails the call and nothing else", 0, mishapRule("a panic during Goexit")},
	{"GoexitInPanic", "runtime.Goexit during a panic fails the call and nothing else", 0, mishapRule("Goexit during a panic")},
	{"Mishaps", "an engine has its whole width after any number of panics and Goexits", 0, mishapsInARow},
	{"Width", "an engine runs as many calls at once as it has workers", 0, wholeWidth},
}

var errMishap = errors.New("mishap")

// A mishap is a way for a body not to return.
type mishap struct {
	name  string
	run   func(context.Context) error
	check func(t *trial, err error)
}

var mishaps = []mishap{
	{"a panic", func(context.Context) error { return panicDeep(3, 42) }, func(t *trial, err error) {
		pe := panicked(t, err)
		if pe.Value != 42 {
			t.Errorf("the panic's value is %v; want 42", pe.Value)
		}
		if !strings.Contains(string(pe.Stack), "panicDeep") {
			t.Errorf("the stack does not name the function that has panicked:\n%s", pe.Stack)
		}
	}},
	{"a panic with nil", func(context.Context) error { panic(nil) }, func(t *trial, err error) {
		pe := panicked(t, err)
		if _, ok := pe.Value.(*runtime.PanicNilError); !ok {
			t.Errorf("the panic's value is a %T; want a *runtime.PanicNilError", pe.Value)
		}
	}},
	{"a panic with an error", func(context.Context) error { panic(errMishap) }, func(t *trial, err error) {
		panicked(t, err)
		matches(t, err, errMishap)
	}},
	{"Goexit", func(context.Context) error { runtime.Goexit(); return nil }, func(t *trial, err error) {
		matches(t, err, engine.ErrGoexit)
	}},
	{"FailNow", func(context.Context) error { new(testing.T).FailNow(); return nil }, func(t *trial, err error) {
		matches(t, err, engine.ErrGoexit)
	}},
	{"a panic during Goexit", func(context.Context) error {
		defer panicDeep(1, 42)
		runtime.Goexit()
		return nil
	}, func(t *trial, err error) {
		panicked(t, err)
	}},
	{"Goexit during a panic", func(context.Context) error {
		defer runtime.Goexit()
		return panicDeep(1, 42)
	}, func(t *trial, err error) {
		matches(t, err) // whether as the one or the other
	}},
}

// panicDeep panics with v from a few calls down.
func panicDeep(depth int, v any) error {
	if depth == 0 {
		panic(v)
	}
	return panicDeep(depth-1, v)
}

// panicked returns the panic in err.
func panicked(t *trial, err error) *engine.PanicError {
	t.Helper()
	matches(t, err)
	pe, ok := errors.AsType[*engine.PanicError](err)
	if !ok {
		t.Fatalf("the error %v wraps no *engine.PanicError", err)
	}
	return pe
}

// mishapRule returns the check of one mishap, from 20 calls of it, one after the
// other, so that a pool that loses a worker to each has none left.
func mishapRule(name string) func(*trial) {
	return func(t *trial) {
		e := t.open(Config{Workers: 2})
		for _, m := range mishaps {
			if m.name != name {
				continue
			}
			for range 20 {
				p := newProbe(m.run)
				e.Start(context.Background(), p.call)
				m.check(t, p.outcome())
				p.ran(t, 1)
			}
		}
		p := newProbe(nil)
		e.Start(context.Background(), p.call)
		p.succeeded(t)
	}
}

func mishapsInARow(t *trial) {
	e := t.open(Config{Workers: 4})
	probes := make([]*probe, 100*len(mishaps))
	crowd(len(probes), func(i int) {
		probes[i] = newProbe(mishaps[i%len(mishaps)].run)
		e.Start(context.Background(), probes[i].call)
	})
	for i, p := range probes {
		mishaps[i%len(mishaps)].check(t, p.outcome())
		p.ran(t, 1)
	}
	t.width(e, 4)
}

func wholeWidth(t *trial) {
	e := t.open(Config{Workers: 4})
	t.width(e, 4)
	t.width(e, 4)
	if n := engine.Size(e); t.caps.Bounded && n != 4 {
		t.Errorf("engine.Size is %d; want the 4 workers of the Config", n)
	}
}
