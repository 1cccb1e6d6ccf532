package lane_test

import (
	"context"
	"errors"
	"log"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/lane"
	"github.com/go-braid/braid/multiprocessing"
	"github.com/go-braid/braid/threading"
	"go.uber.org/goleak"
)

var ready = braid.Define("lane.ready", func(context.Context, int) (int, error) { return 0, nil })

func TestMain(m *testing.M) {
	multiprocessing.Main()
	// A program under the race detector sleeps for a second before it exits, and so
	// would every worker.
	_ = os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE"))
	// The goroutine that starts processes never ends. It is started here, so that no
	// test takes it for a leak.
	p, err := multiprocessing.Start(bg, ready, 0)
	if err == nil {
		err = p.Join(bg)
	}
	if err != nil {
		log.Fatal(err)
	}
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent())
}

var (
	bg     = context.Background()
	errWhy = errors.New("the cause")
)

// open returns a lane that is closed at the end of the test, with nothing left in it.
func open(t testing.TB, inner engine.Executor, cfg lane.Config) *lane.Lane {
	t.Helper()
	l := lane.New(inner, cfg)
	t.Cleanup(func() {
		t.Helper()
		if err := l.Close(bg); err != nil {
			t.Errorf("Close = %v", err)
		}
		s := l.Statistics()
		balanced(t, s)
		if n := s.Running + s.Lent + s.Queued + s.Waiting; n != 0 {
			t.Errorf("a closed lane has %+v", s)
		}
	})
	return l
}

// pool returns a pool that is closed at the end of the test.
func pool(t testing.TB, cfg threading.Config) *threading.Pool {
	t.Helper()
	p := threading.NewPool(cfg)
	t.Cleanup(func() {
		if err := p.Close(bg); err != nil {
			t.Errorf("Close of the pool = %v", err)
		}
	})
	return p
}

// balanced reports a snapshot in which calls are missing, or counted twice.
func balanced(t interface {
	Helper()
	Errorf(format string, args ...any)
}, s lane.Statistics) {
	t.Helper()
	now := s.Running + s.Lent + s.Queued + s.Waiting
	if s.Submitted != uint64(now)+s.Refused+s.Completed {
		t.Errorf("the calls do not add up: %+v", s)
	}
}

// A load is how many calls a lane has in which place.
type load struct{ running, lent, queued, waiting int }

// loaded reports a lane that, when everybody in the bubble waits, has another load.
func loaded(t testing.TB, l *lane.Lane, want load) {
	t.Helper()
	synctest.Wait()
	s := l.Statistics()
	balanced(t, s)
	if got := (load{s.Running, s.Lent, s.Queued, s.Waiting}); got != want {
		t.Errorf("the lane has %+v, want %+v", got, want)
	}
}

// run starts a task without a result.
func run(ex braid.Executor, fn func(context.Context) error, opts ...braid.Option) *braid.Future[int] {
	return runWith(bg, ex, fn, opts...)
}

func runWith(ctx context.Context, ex braid.Executor, fn func(context.Context) error, opts ...braid.Option) *braid.Future[int] {
	return braid.Go(ctx, ex, func(ctx context.Context) (int, error) { return 0, fn(ctx) }, opts...)
}

// spawn is runWith on a goroutine of its own, since the submitter may have to wait. It
// returns how to wait for the outcome of the call.
func spawn(ctx context.Context, ex braid.Executor, fn func(context.Context) error, opts ...braid.Option) (outcome func() error) {
	started := make(chan *braid.Future[int], 1)
	go func() { started <- runWith(ctx, ex, fn, opts...) }()
	return sync.OnceValue(func() error { return outcomeOf(<-started) })
}

func outcomeOf(f *braid.Future[int]) error {
	_, err := f.Await(bg)
	return err
}

// occupy has n tasks hold a place each until release is called, and returns when they
// run.
func occupy(t testing.TB, ex braid.Executor, n int) (release func()) {
	t.Helper()
	gate, begun := make(chan struct{}), make(chan struct{})
	var fs []*braid.Future[int]
	for range n {
		fs = append(fs, run(ex, func(context.Context) error {
			begun <- struct{}{}
			<-gate
			return nil
		}))
		<-begun
	}
	return sync.OnceFunc(func() {
		t.Helper()
		close(gate)
		for _, f := range fs {
			succeeded(t, f)
		}
	})
}

func nothing(context.Context) error { return nil }

// succeeded waits for a call that is to succeed.
func succeeded(t testing.TB, f *braid.Future[int]) {
	t.Helper()
	if err := outcomeOf(f); err != nil {
		t.Errorf("the call failed: %v", err)
	}
}

// isAll reports an error that is not each of the targets.
func isAll(t testing.TB, err error, targets ...error) {
	t.Helper()
	for _, target := range targets {
		if !errors.Is(err, target) {
			t.Errorf("the error is %v, want one that is %v", err, target)
		}
	}
}

// isNone reports an error that is one of the targets.
func isNone(t testing.TB, err error, targets ...error) {
	t.Helper()
	for _, target := range targets {
		if errors.Is(err, target) {
			t.Errorf("the error is %v, and so is %v, which it must not be", err, target)
		}
	}
}

// says reports an error without the text.
func says(t testing.TB, err error, text string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("the error is %v, want one that says %q", err, text)
	}
}

// A diary is a list of what happened, in its order.
type diary[T comparable] struct {
	mu    sync.Mutex
	lines []T
}

func (d *diary[T]) add(line T) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, line)
}

// is reports a diary with other lines.
func (d *diary[T]) is(t testing.TB, want ...T) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if !slices.Equal(d.lines, want) {
		t.Errorf("it happened %v, want %v", d.lines, want)
	}
}
