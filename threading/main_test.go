package threading_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/threading"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	play()
	goleak.VerifyTestMain(m)
}

var (
	bg      = context.Background()
	errTest = errors.New("no luck")
	errWhy  = errors.New("the cause")
)

// open returns a pool that is closed at the end of the test, with nothing left
// in it.
func open(t testing.TB, cfg threading.Config) *threading.Pool {
	t.Helper()
	p := threading.NewPool(cfg)
	t.Cleanup(func() {
		t.Helper()
		if err := p.Close(bg); err != nil {
			t.Errorf("Close = %v", err)
		}
		s := p.Statistics()
		balanced(t, s)
		if n := s.Running + s.Lent + s.Queued + s.Waiting + s.Idle; n != 0 {
			t.Errorf("a closed pool has %+v", s)
		}
	})
	return p
}

// balanced reports a snapshot in which calls are missing, or counted twice.
func balanced(t testing.TB, s threading.Statistics) {
	t.Helper()
	now := s.Running + s.Lent + s.Queued + s.Waiting
	if s.Submitted != uint64(now)+s.Refused+s.Completed {
		t.Errorf("the calls do not add up: %+v", s)
	}
}

// settled returns what the pool looks like when everybody in the bubble waits.
func settled(t testing.TB, p *threading.Pool) threading.Statistics {
	t.Helper()
	synctest.Wait()
	s := p.Statistics()
	balanced(t, s)
	return s
}

// A load is how many calls a pool has in which place.
type load struct{ running, lent, queued, waiting int }

// loaded reports a pool that, when everybody in the bubble waits, has another
// load.
func loaded(t testing.TB, p *threading.Pool, want load) {
	t.Helper()
	s := settled(t, p)
	if got := (load{s.Running, s.Lent, s.Queued, s.Waiting}); got != want {
		t.Errorf("the pool has %+v, want %+v", got, want)
	}
}

// run starts a task without a result.
func run(p braid.Executor, fn func(context.Context) error, opts ...braid.Option) *braid.Future[int] {
	return runWith(bg, p, fn, opts...)
}

func runWith(ctx context.Context, p braid.Executor, fn func(context.Context) error, opts ...braid.Option) *braid.Future[int] {
	return braid.Go(ctx, p, func(ctx context.Context) (int, error) { return 0, fn(ctx) }, opts...)
}

// spawn is runWith on a goroutine of its own, since the submitter may have to
// wait. It returns how to wait for the outcome of the call.
func spawn(ctx context.Context, p braid.Executor, fn func(context.Context) error) (outcome func() error) {
	started := make(chan *braid.Future[int], 1)
	go func() { started <- runWith(ctx, p, fn) }()
	return sync.OnceValue(func() error { return outcomeOf(<-started) })
}

func outcomeOf(f *braid.Future[int]) error {
	_, err := f.Await(bg)
	return err
}

// occupy has n tasks hold a slot each until release is called, and returns when
// they run.
func occupy(t testing.TB, p braid.Executor, n int) (release func()) {
	t.Helper()
	gate, begun := make(chan struct{}), make(chan struct{})
	var fs []*braid.Future[int]
	for range n {
		fs = append(fs, run(p, func(context.Context) error {
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

// panicText reports a function that does not panic with the text.
func panicText(t testing.TB, text string, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		if s, ok := recover().(string); !ok || s != text {
			t.Errorf("the panic says %q, want %q", s, text)
		}
	}()
	f()
}

// A diary is a list of what happened, in its order.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) add(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, line)
}

// is reports a diary with other lines.
func (d *diary) is(t testing.TB, want ...string) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if !slices.Equal(d.lines, want) {
		t.Errorf("it happened %q, want %q", d.lines, want)
	}
}

// A gauge counts those who are at work, and the most that ever were.
type gauge struct {
	mu        sync.Mutex
	now, peak int
}

func (g *gauge) enter() {
	g.mu.Lock()
	g.now++
	g.peak = max(g.peak, g.now)
	g.mu.Unlock()
	for range 3 {
		runtime.Gosched() // so that others, if there are too many, are seen
	}
}

func (g *gauge) leave() {
	g.mu.Lock()
	g.now--
	g.mu.Unlock()
}

// wide reports a pool that does not run exactly n tasks at once.
func wide(t testing.TB, p braid.Executor, n int) {
	t.Helper()
	var g gauge
	var together sync.WaitGroup
	together.Add(n)
	var fs []*braid.Future[int]
	for i := range 5 * n {
		fs = append(fs, run(p, func(context.Context) error {
			g.enter()
			defer g.leave()
			if i < n { // they wait for one another, so all of them must run at once
				together.Done()
				together.Wait()
			}
			return nil
		}))
	}
	for _, f := range fs {
		succeeded(t, f)
	}
	if g.peak != n {
		t.Errorf("%d tasks ran at once, want %d", g.peak, n)
	}
}
