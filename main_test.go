package braid_test

import (
	"context"
	"errors"
	"iter"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/strand"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	bg      = context.Background()
	errTest = errors.New("no luck")
	errWhy  = errors.New("the cause")
)

// double is a task that the tests share.
var double = braid.Define("test/double", func(_ context.Context, n int) (int, error) { return 2 * n, nil },
	braid.Doc("Doubles a number."))

// after is a body that sleeps and then returns v and err, or gives up when its
// context is done.
func after[T any](d time.Duration, v T, err error) func(context.Context) (T, error) {
	return func(ctx context.Context) (T, error) {
		if e := strand.Sleep(ctx, d); e != nil {
			var zero T
			return zero, e
		}
		return v, err
	}
}

// forever is a body that waits to be cancelled.
func forever(ctx context.Context) (int, error) {
	<-ctx.Done()
	return 0, strand.Err(ctx)
}

// goOn starts a body on the nil executor.
func goOn[T any](ctx context.Context, fn func(context.Context) (T, error), opts ...braid.Option) *braid.Future[T] {
	return braid.Go(ctx, nil, fn, opts...)
}

// value returns the future of a call that has succeeded.
func value[T any](v T) *braid.Future[T] {
	return braid.Go(bg, engine.NewSerial(nil), func(context.Context) (T, error) { return v, nil })
}

// failure returns the future of a call that has failed.
func failure[T any](err error) *braid.Future[T] {
	return braid.Go(bg, engine.NewSerial(nil), func(context.Context) (v T, _ error) { return v, err })
}

// must returns v, or ends the test.
func must[T any](t *testing.T, v T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// cancelAll cancels calls that a test has no more use for.
func cancelAll(futures ...*braid.Future[int]) {
	for _, f := range futures {
		f.Cancel(nil)
	}
}

// isAll reports an error that is not each of the targets.
func isAll(t *testing.T, err error, targets ...error) {
	t.Helper()
	for _, target := range targets {
		if !errors.Is(err, target) {
			t.Errorf("the error is %v, want one that is %v", err, target)
		}
	}
}

// isNone reports an error that is one of the targets.
func isNone(t *testing.T, err error, targets ...error) {
	t.Helper()
	for _, target := range targets {
		if errors.Is(err, target) {
			t.Errorf("the error is %v, and so is %v, which it must not be", err, target)
		}
	}
}

// took reports a time on the fake clock that is not the expected one.
func took(t *testing.T, begin time.Time, want time.Duration) {
	t.Helper()
	if d := time.Since(begin); d != want {
		t.Errorf("it took %v, want %v", d, want)
	}
}

// panicOf runs f and returns the value of its panic.
func panicOf(t *testing.T, f func()) (v any) {
	t.Helper()
	defer func() {
		t.Helper()
		if v = recover(); v == nil {
			t.Error("there was no panic")
		}
	}()
	f()
	return nil
}

// panicText is panicOf for panics with a text that begins with prefix.
func panicText(t *testing.T, prefix string, f func()) {
	t.Helper()
	v := panicOf(t, f)
	if s, ok := v.(string); !ok || !strings.HasPrefix(s, prefix) {
		t.Errorf("the panic's value is %#v, want a text that begins with %q", v, prefix)
	}
}

// upTo yields 0, 1, … below n.
func upTo(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}

// collect ranges over the results of a Map.
func collect[T any](seq iter.Seq2[T, error]) (values []T, errs []error) {
	for v, err := range seq {
		values = append(values, v)
		errs = append(errs, err)
	}
	return values, errs
}

// collected runs the garbage collector until gone reports true.
func collected(t *testing.T, what string, gone func() bool) {
	t.Helper()
	for range 1000 {
		runtime.GC()
		if gone() {
			return
		}
		runtime.Gosched()
	}
	t.Errorf("%s is still reachable", what)
}
