package threading_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"runtime"
	"runtime/pprof"
	"runtime/trace"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/strand"
	"github.com/go-braid/braid/threading"
)

// Scenario 24: any number of strands may join a thread.
func TestJoinByMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		th := threading.Go(bg, "worker", func(context.Context) error { <-gate; return errTest })
		var joiners sync.WaitGroup
		for range 10 {
			joiners.Go(func() { isAll(t, th.Join(bg), errTest) })
		}
		synctest.Wait()
		if !th.Alive() {
			t.Error("the thread is not alive before its end")
		}
		close(gate)
		joiners.Wait()
		if th.Alive() {
			t.Error("the thread is alive after its end")
		}
		isAll(t, th.Join(bg), errTest) // and again
	})
}

// Scenario 25: a join whose context ends returns, and the thread goes on.
func TestJoinWithTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := threading.Go(bg, "worker", func(ctx context.Context) error { return strand.Sleep(ctx, time.Hour) })
		ctx, cancel := context.WithTimeoutCause(bg, time.Second, errWhy)
		defer cancel()
		begin := time.Now()
		err := th.Join(ctx)
		isAll(t, err, context.DeadlineExceeded, errWhy)
		if d := time.Since(begin); d != time.Second {
			t.Errorf("Join took %v, want 1 s", d)
		}
		if _, ok := errors.AsType[*braid.TaskError](err); ok || !th.Alive() {
			t.Errorf("the error %v is the thread's, or the thread has ended", err)
		}
		if err := th.Join(bg); err != nil {
			t.Errorf("Join = %v", err)
		}
		if err := th.Join(ctx); err != nil {
			t.Errorf("Join of an ended thread with a context that is done = %v", err)
		}
	})
}

// Scenario 26: a thread cannot join itself; it can join others, and be joined by
// a strand of its own.
func TestJoinItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		self := make(chan *threading.Thread, 1)
		other := threading.Go(bg, "other", nothing)
		th := threading.Go(bg, "self", func(ctx context.Context) error {
			if err := other.Join(ctx); err != nil {
				t.Errorf("Join of another thread = %v", err)
			}
			return (<-self).Join(ctx)
		})
		self <- th
		err := th.Join(bg)
		says(t, err, "a thread cannot join itself")
	})
}

func TestThreadEnds(t *testing.T) {
	for name, c := range map[string]struct {
		end  func() error
		want error
	}{
		"nil":    {func() error { return nil }, nil},
		"error":  {func() error { return errTest }, errTest},
		"panic":  {func() error { panic(errTest) }, errTest},
		"Goexit": {func() error { runtime.Goexit(); return nil }, braid.ErrGoexit},
	} {
		for _, opts := range [][]threading.ThreadOption{nil, {threading.LockOSThread()}} {
			th := threading.Go(bg, "job "+name, func(context.Context) error { return c.end() }, opts...)
			if th.Name() != "job "+name {
				t.Errorf("Name = %q, want %q", th.Name(), "job "+name)
			}
			err := th.Join(bg)
			if !errors.Is(err, c.want) {
				t.Errorf("%s: Join = %v, want %v", name, err, c.want)
			}
			if te, ok := errors.AsType[*braid.TaskError](err); c.want != nil && (!ok || te.Task != "job "+name || te.Engine != "thread") {
				t.Errorf("%s: Join = %#v, want a TaskError of the thread", name, err)
			}
			pe, ok := errors.AsType[*braid.PanicError](err)
			if ok != (name == "panic") || ok && !strings.Contains(string(pe.Stack), "TestThreadEnds") {
				t.Errorf("%s: Join = %v", name, err)
			}
		}
	}
}

func TestThreadContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		ctx, cancel := context.WithCancelCause(context.WithValue(bg, key{}, 7))
		th := threading.Go(ctx, "listens", func(ctx context.Context) error {
			if v := ctx.Value(key{}); v != 7 {
				t.Errorf("the context has the value %v, want 7", v)
			}
			return strand.Sleep(ctx, time.Hour)
		})
		synctest.Wait()
		cancel(errWhy)
		isAll(t, th.Join(bg), context.Canceled, errWhy)

		th = threading.Go(ctx, "too late", func(context.Context) error {
			t.Error("a thread ran though its context was done before its start")
			return nil
		})
		isAll(t, th.Join(bg), context.Canceled, errWhy, braid.ErrNotStarted)
		if th.Alive() {
			t.Error("a thread that never ran is alive")
		}
	})
}

func names(ts []*threading.Thread) (names []string) {
	for _, th := range ts {
		names = append(names, th.Name())
	}
	return names
}

// Scenario 28: a hundred times, a joined thread is not listed; and those that
// live are, in the order of their start.
func TestThreads(t *testing.T) {
	if ts := threading.Threads(); len(ts) != 0 {
		t.Fatalf("there are threads of other tests: %q", names(ts))
	}
	var gates []chan struct{}
	var threads []*threading.Thread
	for _, name := range []string{"c", "a", "b", "a"} {
		gate := make(chan struct{})
		gates = append(gates, gate)
		threads = append(threads, threading.Go(bg, name, func(context.Context) error { <-gate; return nil }))
	}
	if got := names(threading.Threads()); !slices.Equal(got, []string{"c", "a", "b", "a"}) {
		t.Errorf("Threads = %q, want c, a, b, a", got)
	}
	if !slices.Equal(threading.Threads(), threads) {
		t.Error("Threads returns other threads than Go did")
	}
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 { // who use the list at the same time
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					threading.Threads()
				}
			}
		})
	}
	for range 100 {
		th := threading.Go(bg, "short", nothing)
		if err := th.Join(bg); err != nil {
			t.Error(err)
		}
		if slices.Contains(threading.Threads(), th) {
			t.Error("a thread is listed after it was joined")
		}
	}
	close(stop)
	readers.Wait()
	close(gates[2])
	if err := threads[2].Join(bg); err != nil {
		t.Error(err)
	}
	if got := names(threading.Threads()); !slices.Equal(got, []string{"c", "a", "a"}) {
		t.Errorf("Threads = %q, want c, a, a", got)
	}
	for _, i := range []int{0, 1, 3} {
		close(gates[i])
		if err := threads[i].Join(bg); err != nil {
			t.Error(err)
		}
	}
}

// Whoever finds a thread in the list can join it, even while Go has not returned.
func TestJoinFromTheList(t *testing.T) {
	for range 200 {
		gate := make(chan struct{})
		found := make(chan error)
		go func() {
			var ts []*threading.Thread
			for len(ts) == 0 {
				runtime.Gosched()
				ts = threading.Threads()
			}
			close(gate) // not by the caller of Go, which may not have returned
			found <- ts[0].Join(bg)
		}()
		th := threading.Go(bg, "found", func(context.Context) error { <-gate; return errTest })
		isAll(t, <-found, errTest)
		isAll(t, th.Join(bg), errTest)
	}
}

func TestWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var event strand.Event
		q := strand.NewQueue[int](1)
		gate := make(chan struct{})
		th := threading.Go(bg, "waits", func(ctx context.Context) error {
			<-gate
			if err := event.Wait(ctx); err != nil {
				return err
			}
			if _, err := q.Get(ctx); err != nil {
				return err
			}
			return strand.Sleep(ctx, time.Second)
		})
		waits := func(want strand.Op) {
			t.Helper()
			synctest.Wait()
			op, ok := th.Waiting()
			if op != want || ok != (want != strand.Op{}) {
				t.Errorf("Waiting = %v, %v, want %v", op, ok, want)
			}
		}
		waits(strand.Op{}) // a channel of the task's own is not seen
		close(gate)
		waits(strand.Op{Object: &event, Kind: strand.OpWait, Access: strand.Read})
		event.Set()
		waits(strand.Op{Object: q, Kind: strand.OpGet, Access: strand.Write})
		_ = q.TryPut(1)
		waits(strand.Op{Kind: strand.OpSleep})
		if err := th.Join(bg); err != nil {
			t.Error(err)
		}
		waits(strand.Op{})
	})
}

// Scenario 29: a thread that has ended does not keep its function alive, though it
// is itself.
func TestEndedThreadKeepsNothing(t *testing.T) {
	type load struct{ bytes [1 << 10]byte }
	start := func() (*threading.Thread, weak.Pointer[load]) {
		l := new(load)
		th := threading.Go(bg, "holds", func(context.Context) error {
			l.bytes[0]++
			return nil
		})
		return th, weak.Make(l)
	}
	th, l := start()
	if err := th.Join(bg); err != nil {
		t.Error(err)
	}
	collected(t, "the function", func() bool { return l.Value() == nil })
	runtime.KeepAlive(th)
}

// collected runs the garbage collector until gone reports true.
func collected(t *testing.T, what string, gone func() bool) {
	t.Helper()
	for range 200 {
		runtime.GC()
		if gone() {
			return
		}
		runtime.Gosched()
	}
	t.Errorf("%s is still reachable", what)
}

// Scenario 32: without a listener, the failure of a thread that nobody joins is logged.
func TestUnjoinedFailureIsLogged(t *testing.T) {
	forgive(t)
	var log safeBuilder
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(before)
	says(t, fails("joined").Join(bg), "joined failed")
	forget(func() *threading.Thread { return fails("forgotten") })
	collected(t, "the thread", func() bool { return strings.Contains(log.String(), "forgotten failed") })
	if s := log.String(); strings.Contains(s, "joined") {
		t.Errorf("the log is %q, want the failure of the forgotten thread alone", s)
	}
}

// A safeBuilder is a strings.Builder for several goroutines.
type safeBuilder struct {
	mu sync.Mutex
	b  strings.Builder
}

func (b *safeBuilder) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuilder) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// Who is the thread of a context?
func TestCurrent(t *testing.T) {
	none := func(what string, ctx context.Context) {
		t.Helper()
		if th, ok := threading.Current(ctx); ok || th != nil {
			t.Errorf("%s is of the thread %v, %v", what, th, ok)
		}
	}
	none("main", bg)
	p := open(t, threading.Config{Workers: 1})
	var inner *threading.Thread
	outer := threading.Go(bg, "outer", func(ctx context.Context) error {
		none("a goroutine that is detached", strand.Detach(ctx))
		succeeded(t, runWith(ctx, p, func(ctx context.Context) error { none("a task", ctx); return nil }))
		entered, self := strand.Enter(ctx)
		defer self.End()
		none("a strand of its own", entered)
		inner = threading.Go(ctx, "inner", func(ctx context.Context) error {
			if th, ok := threading.Current(ctx); !ok || th.Name() != "inner" {
				t.Errorf("the inner thread is %v, %v", th, ok)
			}
			return nil
		})
		if err := inner.Join(ctx); err != nil {
			return err
		}
		if th, ok := threading.Current(context.WithValue(ctx, &inner, 1)); !ok || th.Name() != "outer" {
			t.Errorf("the outer thread is %v, %v", th, ok)
		}
		return nil
	})
	if err := outer.Join(bg); err != nil {
		t.Error(err)
	}
}

// anEngine is the parker of a strand whose engine wants to know of the calls that are
// in flight elsewhere, as an event loop does.
type anEngine struct {
	strand.Goroutine
	starting func(*engine.Call)
}

func (e anEngine) Starting(c *engine.Call, _ engine.Executor) { e.starting(c) }

// The engine that a thread was started from hears of it, and of its end only when
// those who join it have been woken: or it would take them for deadlocked.
func TestStarterHearsLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		var th *threading.Thread
		var object any
		alive := make(chan bool, 1)
		ctx := strand.WithParker(bg, anEngine{starting: func(c *engine.Call) {
			object = c.Object()
			c.OnDone(func(error) { alive <- th.Alive() || len(threading.Threads()) > 1 })
		}})
		th = threading.Go(ctx, "joined", func(context.Context) error { <-gate; return nil })
		joiner := threading.Go(bg, "joins", th.Join)
		synctest.Wait()
		if op, ok := joiner.Waiting(); !ok || op.Object != object {
			t.Errorf("who joins the thread waits for %v, %v, want the call's object", op, ok)
		}
		close(gate)
		if err := joiner.Join(bg); err != nil {
			t.Error(err)
		}
		if <-alive {
			t.Error("the engine has heard of the thread's end while it was alive")
		}
	})
}

// The name of a thread is a label of its goroutine, and of those that it starts.
func TestThreadLabel(t *testing.T) {
	release := make(chan struct{})
	ready := make(chan string)
	wait := func(ctx context.Context) error {
		label, _ := pprof.Label(ctx, "thread")
		other, _ := pprof.Label(ctx, "other")
		ready <- label + ", " + other
		waitLabelled(release)
		return nil
	}
	body := func(ctx context.Context) error {
		go waitLabelled(release) // with a bare go statement, and no context
		inner := threading.Go(ctx, "inner", wait)
		if err := wait(ctx); err != nil {
			return err
		}
		return inner.Join(ctx)
	}
	var threads []interface{ Join(context.Context) error }
	pprof.Do(bg, pprof.Labels("other", "value", "thread", "none"), func(ctx context.Context) {
		threads = append(threads, threading.Go(ctx, "outer", body), threading.AfterFunc(ctx, "timer", 0, wait))
	})
	got := []string{<-ready, <-ready, <-ready}
	slices.Sort(got)
	if want := []string{"inner, value", "outer, value", "timer, value"}; !slices.Equal(got, want) {
		t.Errorf("the contexts have the labels %q, want %q", got, want)
	}
	want := map[string]int{"inner": 1, "outer": 2, "timer": 1}
	for { // they are on their way into the function by which the profile is searched
		counts := labelled(t)
		if maps.Equal(counts, want) {
			break
		}
		if counts["inner"] > 1 || counts["outer"] > 2 || counts["timer"] > 1 {
			t.Errorf("the goroutines have the labels %v, want %v", counts, want)
			break
		}
		runtime.Gosched()
	}
	close(release)
	for _, th := range threads {
		if err := th.Join(bg); err != nil {
			t.Error(err)
		}
	}
}

// waitLabelled is where the goroutines are whose labels are looked at.
//
//go:noinline
func waitLabelled(release chan struct{}) { <-release }

// labelled counts the goroutines in waitLabelled by their label "thread".
func labelled(t *testing.T) map[string]int {
	t.Helper()
	var b strings.Builder
	if err := pprof.Lookup("goroutine").WriteTo(&b, 1); err != nil {
		t.Fatal(err)
	}
	counts := make(map[string]int)
	for block := range strings.SplitSeq(b.String(), "\n\n") {
		if !strings.Contains(block, "waitLabelled") {
			continue
		}
		var n int
		if _, err := fmt.Sscanf(block, "%d @", &n); err != nil {
			t.Fatalf("the profile says %q: %v", block, err)
		}
		for _, name := range []string{"inner", "outer", "timer"} {
			if strings.Contains(block, fmt.Sprintf("%q:%q", "thread", name)) {
				counts[name] += n
			}
		}
	}
	return counts
}

// The name of a thread is in execution traces.
func TestThreadTrace(t *testing.T) {
	if trace.IsEnabled() {
		t.Skip("a trace is being taken already")
	}
	var b bytes.Buffer
	if err := trace.Start(&b); err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprint("traced ", os.Getpid())
	th := threading.Go(bg, name, func(ctx context.Context) error { panic(errTest) })
	isAll(t, th.Join(bg), errTest)
	trace.Stop()
	if !bytes.Contains(b.Bytes(), []byte(name)) {
		t.Errorf("the trace of %d bytes does not name the thread", b.Len())
	}
}

// A thread and the tasks of a pool share objects of package strand.
func TestThreadAndPoolShareAQueue(t *testing.T) {
	p := open(t, threading.Config{Workers: 1})
	q := strand.NewQueue[int](1)
	sum := 0
	th := threading.Go(bg, "consumer", func(ctx context.Context) error {
		for {
			n, err := q.Get(ctx)
			if err == strand.ErrShutdown {
				return nil
			}
			if err != nil {
				return err
			}
			sum += n
		}
	})
	var fs []*braid.Future[int]
	for i := range 100 {
		fs = append(fs, run(p, func(ctx context.Context) error { return q.Put(ctx, i) }))
	}
	for _, f := range fs {
		succeeded(t, f)
	}
	q.Shutdown()
	if err := th.Join(bg); err != nil || sum != 4950 {
		t.Errorf("the sum is %d, %v, want 4950", sum, err)
	}
}
