package threading_test

// The tests that re-express scenarios of CPython's tests of threading. The numbers are
// those of a list of such scenarios. Numbers 1 to 23, the locks, events, conditions,
// semaphores and barriers, are in package strand, whose objects threads share with all
// other strands: strand/scenarios_lock_test.go and scenarios_barrier_test.go.
//
//	24  join from many threads         TestJoinByMany
//	25  join with a timeout            TestJoinWithTimeout, TestJoinAllWithTimeout
//	26  start twice, join itself, …    TestJoinItself, TestJoinAllInAThread; to start a thread again,
//	                                   to join it before its start, and to change its kind while it
//	                                   lives cannot be written: Go makes it and starts it
//	27  a start that fails             TestScenario027_NoGhost; that the system has no thread left is
//	                                   no error in Go: a goroutine can always be started
//	28  enumerate after join           TestThreads
//	29  no reference to the target     TestEndedThreadKeepsNothing, TestTimerKeepsNothing
//	30  join on shutdown               TestJoinAll, TestScenario030_MainWaits
//	31  daemon threads at exit         TestScenario031_MainDoesNotWait: all threads are daemons
//	32  excepthook                     TestUnobservedHook, TestUnobservedHookFails,
//	                                   TestUnjoinedFailureIsLogged; SystemExit, which ends a thread
//	                                   silently, is the context's end, or a return of nil
//	33  excepthook without stderr      TestScenario033_NoStandardError
//	34  timers share no state          TestScenario034_TimersShareNothing
//	35  interrupt of a tight loop      TestScenario035_Interrupt (scenarios_unix_test.go),
//	                                   TestScenario035_Yield
//	36  threading.local                TestScenario036_Locals, TestTickerIsOneThread; a subclass whose
//	                                   __init__ runs in each thread is the function of NewLocal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/strand"
	"github.com/go-braid/braid/threading"
)

// mains are what tests start as processes of their own, by their names.
var mains = map[string]func(){
	"waits":         mainWaits,
	"does not wait": mainDoesNotWait,
	"no stderr":     mainWithoutStandardError,
}

// playing is the variable of the environment that says which of the programs to be.
const playing = "BRAID_THREADING_TEST_PROGRAM"

// play is the first thing in TestMain. In a process that process has started, it does
// not return.
func play() {
	if main, ok := mains[os.Getenv(playing)]; ok {
		main()
		os.Exit(0) // as the end of main does
	}
}

// process returns the command that starts one of the programs, and what it will have
// written to its standard error.
func process(t *testing.T, name string) (cmd *exec.Cmd, stderr *bytes.Buffer) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd = exec.Command(self)
	// The race detector would sleep for a second before the end.
	cmd.Env = append(os.Environ(), playing+"="+name, "GORACE=atexit_sleep_ms=0")
	stderr = new(bytes.Buffer)
	cmd.Stderr = stderr
	return cmd, stderr
}

// A thread whose start has failed is not listed, and nobody waits for it.
func TestScenario027_NoGhost(t *testing.T) {
	ctx, cancel := context.WithCancelCause(bg)
	cancel(errWhy)
	for name, start := range map[string]func(fn func(context.Context) error) *threading.Thread{
		"Go": func(fn func(context.Context) error) *threading.Thread { return threading.Go(ctx, "ghost", fn) },
		"AfterFunc": func(fn func(context.Context) error) *threading.Thread {
			return threading.AfterFunc(ctx, "ghost", 1, fn).Thread
		},
		"Every": func(fn func(context.Context) error) *threading.Thread {
			return threading.Every(ctx, "ghost", 1, fn).Thread
		},
	} {
		for range 100 {
			th := start(func(context.Context) error {
				t.Errorf("%s: a thread ran though its context was done", name)
				return nil
			})
			isAll(t, th.Join(bg), braid.ErrNotStarted, context.Canceled, errWhy)
			if ts := threading.Threads(); len(ts) != 0 {
				t.Fatalf("%s: there are the threads %q", name, names(ts))
			}
		}
	}
	if err := threading.JoinAll(bg); err != nil {
		t.Errorf("JoinAll = %v", err)
	}
	// An option that panics is a start that fails, too.
	func() {
		defer func() {
			if v := recover(); v != errTest {
				t.Errorf("Go panicked with %v", v)
			}
		}()
		threading.Go(bg, "ghost", nothing, func(*threading.Thread) { panic(errTest) })
	}()
	if ts := threading.Threads(); len(ts) != 0 {
		t.Errorf("there are the threads %q", names(ts))
	}
}

// Main waits, with JoinAll, for threads that have been started late, and by threads.
func TestScenario030_MainWaits(t *testing.T) {
	cmd, stderr := process(t, "waits")
	out, err := cmd.Output()
	if err != nil || stderr.Len() != 0 {
		t.Errorf("the program: %v\n%s", err, stderr)
	}
	const want = "main has nothing to do\nchild\ngrandchild\nthe timer\nthe last child failed\n"
	if string(out) != want {
		t.Errorf("the program printed %q, want %q", out, want)
	}
}

func mainWaits() {
	debug.SetGCPercent(-1) // or the collector might tell of a failure first
	var first strand.Event
	threading.Go(bg, "child", func(ctx context.Context) error {
		if err := first.Wait(ctx); err != nil {
			return err
		}
		fmt.Println("child")
		threading.Go(context.WithoutCancel(ctx), "grandchild", func(ctx context.Context) error {
			fmt.Println("grandchild")
			threading.AfterFunc(context.WithoutCancel(ctx), "timer", time.Millisecond, func(context.Context) error {
				fmt.Println("the timer")
				return errors.New("the last child failed")
			})
			return nil
		})
		return nil
	})
	fmt.Println("main has nothing to do")
	first.Set()
	if te, ok := errors.AsType[*braid.TaskError](threading.JoinAll(bg)); ok {
		fmt.Println(te.Err)
	}
}

// The end of main ends threads in whatever they do, here writing, and nothing crashes.
func TestScenario031_MainDoesNotWait(t *testing.T) {
	for range 3 {
		cmd, stderr := process(t, "does not wait")
		out, err := cmd.Output()
		if err != nil || stderr.Len() != 0 {
			t.Errorf("the program: %v\n%s", err, stderr)
		}
		if !bytes.Contains(out, []byte("a line of thread 7\n")) {
			t.Error("the threads have written nothing")
		}
	}
}

func mainDoesNotWait() {
	const threads = 50
	var begun sync.WaitGroup
	begun.Add(threads)
	for i := range threads {
		threading.Go(bg, "writer", func(context.Context) error {
			for n := 0; ; n++ {
				fmt.Printf("a line of thread %d\n", i)
				if n == 0 {
					begun.Done()
				}
			}
		})
	}
	begun.Wait()
}

// Where a report cannot be written, it is lost, and the program goes on.
func TestScenario033_NoStandardError(t *testing.T) {
	cmd, _ := process(t, "no stderr")
	out, err := cmd.Output()
	if err != nil || string(out) != "the program goes on\n" {
		t.Errorf("the program printed %q, %v", out, err)
	}
}

func mainWithoutStandardError() {
	_ = os.Stderr.Close()
	var reports atomic.Int32
	before := threading.SetListener(nil)
	fail := func() { forget(func() *threading.Thread { return fails("forgotten") }) }
	fail()
	// Its report comes before that of a thread that fails later, at the latest with the
	// second of them.
	threading.SetListener(&engine.Listener{Unobserved: func(engine.Event) { reports.Add(1) }})
	for want := range int32(2) {
		fail()
		for reports.Load() <= want {
			runtime.GC()
		}
	}
	threading.SetListener(before)
	fmt.Println("the program goes on")
}

// Timers share no state: not their options, contexts or outcomes.
func TestScenario034_TimersShareNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		opts := make([]threading.ThreadOption, 0, 4)
		opts = append(opts, threading.LockOSThread())
		var d diary
		start := func(name string, err error) *threading.Timer {
			ctx, cancel := context.WithCancel(context.WithValue(bg, key{}, name))
			t.Cleanup(cancel)
			return threading.AfterFunc(ctx, name, time.Second, func(ctx context.Context) error {
				d.add(fmt.Sprint(ctx.Value(key{})))
				cancel() // of this one alone
				return err
			}, opts...)
		}
		first := start("first", errTest)
		opts[0] = func(*threading.Thread) {}
		second := start("second", nil)
		third := start("third", nil)
		if !second.Cancel() || !first.Alive() || !third.Alive() {
			t.Error("cancelling one timer has cancelled another")
		}
		isAll(t, first.Join(bg), errTest)
		isAll(t, second.Join(bg), braid.ErrNotStarted)
		if err := third.Join(bg); err != nil {
			t.Errorf("Join = %v", err)
		}
		slices.Sort(d.lines)
		d.is(t, "first", "third")
	})
}

// A loop that yields ends with its context. (Others do not keep it from ending: see
// TestScenario035_Interrupt.)
func TestScenario035_Yield(t *testing.T) {
	ctx, cancel := context.WithCancelCause(bg)
	begun := make(chan struct{})
	th := threading.Go(ctx, "tight", func(ctx context.Context) error {
		close(begun)
		for {
			if err := strand.Yield(ctx); err != nil {
				return err
			}
		}
	})
	<-begun
	cancel(errWhy)
	isAll(t, th.Join(bg), context.Canceled, errWhy)
	if err := threading.JoinAll(bg); err != nil {
		t.Errorf("JoinAll = %v", err)
	}
}

// Each thread has values of its own, made when it first asks, and dropped at its end.
func TestScenario036_Locals(t *testing.T) {
	type value struct{ name string }
	var made atomic.Int32
	local := strand.NewLocal(func(ctx context.Context) *value {
		made.Add(1)
		th, ok := threading.Current(ctx)
		if !ok {
			t.Error("the function of a Local runs on no thread")
		}
		return &value{name: th.Name()}
	})
	if _, err := local.Get(bg); !errors.Is(err, strand.ErrNoIdentity) {
		t.Errorf("Get in main = %v, want ErrNoIdentity", err)
	}
	var mu sync.Mutex
	var values []weak.Pointer[value]
	var threads []*threading.Thread
	body := func(ctx context.Context) error {
		th, _ := threading.Current(ctx)
		for range 2 {
			v, err := local.Get(ctx)
			if err != nil {
				return err
			}
			if strings.TrimSuffix(v.name, " changed") != th.Name() {
				return fmt.Errorf("%s has found the value of %s", th.Name(), v.name)
			}
			v.name += " changed"
			mu.Lock()
			values = append(values, weak.Make(v))
			mu.Unlock()
		}
		return nil
	}
	for i := range 5 {
		threads = append(threads,
			threading.Go(bg, fmt.Sprint("thread ", i), body),
			threading.AfterFunc(bg, fmt.Sprint("timer ", i), 0, body).Thread)
	}
	for _, th := range threads {
		if err := th.Join(bg); err != nil {
			t.Error(err)
		}
	}
	if n := made.Load(); n != 10 || len(values) != 20 {
		t.Errorf("%d values were made and %d found, want 10 and 20", n, len(values))
	}
	collected(t, "a value of a thread that has ended", func() bool {
		return !slices.ContainsFunc(values, func(w weak.Pointer[value]) bool { return w.Value() != nil })
	})
	runtime.KeepAlive(threads)
	runtime.KeepAlive(local)
}
