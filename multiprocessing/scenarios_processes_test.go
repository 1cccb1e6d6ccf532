//go:build unix

package multiprocessing_test

// The tests of this file, and those that it names, re-express scenarios of CPython's
// tests of concurrent.futures and multiprocessing. The numbers are those of a list of
// such scenarios; each test's name repeats its number.
//
//	 58  initializer that fails               TestStartFailures
//	 59  run after shutdown, at exit, …       TestScenario059_CloseRunsWhatIsAdmitted; at exit nothing is waited
//	                                          for: a program that ends takes its calls along (TestParentDies);
//	                                          cancelling the queue: TestCloseAmidFaults; racing: TestSubmitRacesClose
//	 60  killed child                         TestScenario060_KilledWhenIdle: on purpose the reverse, nothing breaks
//	 61  each future its own error            TestScenario061_EachCallItsOwnError
//	 62  exit code named                      TestCrashMatrix ("exit 3")
//	 63  max tasks per child                  TestReplacement
//	 64  max tasks with a backlog             TestReplacementUnderLoad
//	 65  max tasks and shutdown               TestReplacementAndClose
//	 66  executor is garbage during that      not here: a Pool that is dropped stays until the program ends
//	 67  replacement cannot be started        TestReplacementThatFails
//	 68  killed while a worker is replaced    TestKilledWhenReplaced, TestReplacementAndClose (cut)
//	 69  idle workers are used again          TestIdleWorkerIsUsedAgain
//	 70  map with chunks                      no chunks to choose: batches are measured. That their size does not
//	                                          show: TestScenario070_SizeOfBatches
//	 71  resources in workers are freed       TestNothingIsKept
//	 72  a helper thread cannot be started    no helper to start late; descriptors: TestParentWithoutDescriptors
//	 73  forced shutdown                      TestCloseAmidFaults (cut), TestCloseDuringStart, TestScenario073_CloseOfNothing
//	 74  error, exit, crash × each point      TestCrashMatrix, TestHangMatrix
//	 75  crash after shutdown                 TestCloseAmidFaults (not cut), TestWorkersDieDuringClose
//	 76  pickling during shutdown             TestCloseWhileAnArgumentIsWritten
//	 77  crash while large data is written    TestScenario077_CrashUnderLargeArguments
//	 78  100 submits and a late manager       TestScenario078_ManySubmitsBeforeAnyWorker
//	 79  identity of a process, its parent    TestScenario079_Identity
//	 80  terminate, kill                      TestScenario080_TerminateAndKill, TestProcess
//	 81  sentinel, close                      Process.Done is the sentinel: TestProcess; there is nothing to close
//	 82  recursion                            TestNested
//	 83  many processes                       TestScenario083_ManyProcesses
//	 84  descriptors do not add up            TestInheritance
//	 85  threads in the child                 not here: goroutines end with their process, as in any Go program;
//	                                          TestScenario085_GoroutinesStay: in a worker they go on
//	 86  error when output is flushed         TestScenario086_ClosedOutput
//	 87  forkserver is killed                 not here: there is no server; each worker is started by the program
//	 88  exit codes                           TestProcess, TestCrashMatrix
//	 97  map, imap, unordered                 TestMapManyTinyCalls, TestScenario097_Unordered
//	 98  exception in the iterable            TestInputThatFails
//	 99  terminate with 10,000 sleepers       TestScenario099_CloseManySleepers
//	100  no fail-fast, large exceptions       TestScenario100_LargeErrors
//	101  task references are released         TestNothingIsKept
//	102  result cannot be pickled, 20 times   TestScenario102_ResultsThatCannotTravel
//	103  error callback                       TestScenario103_OutcomeInCallback
//	104  lifetime of workers, early close     TestReplacementUnderLoad, TestReplacementAndClose
//	105  large pool                           TestManyWorkers, 50 where CPython has 200
//	106  no leak when starting fails midway   TestReplacementThatFails, TestStartFailures (each checks what is left)
//	116  no fork bomb, EINTR, bad stdin       TestNoMain, TestRole; TestSignalStorm; TestScenario116_NoStandardFiles
//
// 89 to 96 and 107 to 115, of what processes share, of managers and of connections, are
// tests of those.

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/internal/proctest"
	"github.com/go-braid/braid/multiprocessing"
)

func TestScenario059_CloseRunsWhatIsAdmitted(t *testing.T) {
	p := newPool(t, multiprocessing.Config{Workers: 2})
	var fs []*braid.Future[int]
	for i := range 50 {
		fs = append(fs, braid.Submit(context.Background(), p, square, i))
	}
	if err := closeSoon(t, context.Background(), p); err != nil {
		t.Errorf("Close: %v", err)
	}
	for i, f := range fs {
		wantOutcome(t, f, i*i)
		if _, err := f.Await(context.Background()); err != nil {
			t.Errorf("call %d: %v", i, err)
		}
	}
	if _, err := outcome(t, braid.Submit(context.Background(), p, square, 1)); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("a call after Close: %v", err)
	}
}

func TestScenario060_KilledWhenIdle(t *testing.T) {
	p := newPool(t, multiprocessing.Config{Workers: 2})
	for range 5 {
		wantSquare(t, p)
		for _, w := range p.Workers() {
			_ = syscall.Kill(w.PID, syscall.SIGKILL)
		}
		// At once, whether the pool knows already or not.
		wantSquareOrDeath(t, p)
		wantSquare(t, p)
	}
}

// wantSquareOrDeath makes a call to which a worker may be given that dies at the moment:
// it succeeds, unless it had begun.
func wantSquareOrDeath(t *testing.T, p *multiprocessing.Pool) {
	t.Helper()
	got, err := outcome(t, braid.Submit(context.Background(), p, square, 12))
	if err != nil {
		if c := crashOf(t, err); c.Signal != "SIGKILL" || c.Phase == engine.PhaseIdle {
			t.Errorf("a call: %v", err)
		}
	} else if got != 144 {
		t.Errorf("a call: %d", got)
	}
}

func TestScenario061_EachCallItsOwnError(t *testing.T) {
	p := newPool(t, multiprocessing.Config{Workers: 3, Output: hush})
	var fs []*braid.Future[int]
	for i := range 9 {
		fs = append(fs, braid.Submit(context.Background(), p, misbehave, fmt.Sprintf("exit %d", 10+i), braid.Index(i)))
	}
	seen := make(map[error]bool)
	for i, f := range fs {
		_, err := outcome(t, f)
		if c := crashOf(t, err); c.ExitCode != 10+i {
			t.Errorf("call %d died with code %d", i, c.ExitCode)
		}
		if seen[err] {
			t.Errorf("call %d shares its error with another", i)
		}
		seen[err] = true
	}
}

func TestScenario070_SizeOfBatches(t *testing.T) {
	p := newPool(t, multiprocessing.Config{Workers: 2})
	for _, n := range []int{0, 1, 2, 7, 1000} {
		for _, limit := range []int{0, 1, 2, 3, 100, 5000} {
			i := 0
			for got, err := range braid.Map(context.Background(), p, square, counting(n), braid.Limit(limit)) {
				if err != nil || got != i*i {
					t.Fatalf("%d inputs, limit %d: result %d is %d, %v", n, limit, i, got, err)
				}
				i++
			}
			if i != n {
				t.Errorf("%d inputs, limit %d: %d results", n, limit, i)
			}
		}
	}
}

func TestScenario073_CloseOfNothing(t *testing.T) {
	proctest.Check(t)
	for range 3 {
		p, err := multiprocessing.NewPool(multiprocessing.Config{Workers: 2})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := closeSoon(t, over(), p); err != nil {
				t.Errorf("Close of a pool that has done nothing: %v", err)
			}
		}
	}
	// Of one whose workers are dead.
	p, err := multiprocessing.NewPool(multiprocessing.Config{Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	wantSquare(t, p)
	for _, w := range p.Workers() {
		_ = syscall.Kill(w.PID, syscall.SIGKILL)
	}
	if err := closeSoon(t, over(), p); err != nil {
		t.Errorf("Close of a pool whose workers are dead: %v", err)
	}
}

// deadWeight dies when it has come.
type deadWeight struct {
	Weight []byte
	How    string
}

var drop = braid.Define("test.drop", func(ctx context.Context, w deadWeight) (int, error) { return misbehaving(ctx, w.How) })

func TestScenario077_CrashUnderLargeArguments(t *testing.T) {
	for _, pipes := range []bool{false, true} {
		t.Run(map[bool]string{false: "ring", true: "pipes"}[pipes], func(t *testing.T) {
			p := newPool(t, multiprocessing.Config{Workers: 2, Pipes: pipes, Output: hush})
			stop := beside(t, p)
			var fs []*braid.Future[int]
			for range 10 {
				fs = append(fs, braid.Submit(context.Background(), p, drop, deadWeight{make([]byte, 3<<20), "kill 11"}))
			}
			for _, f := range fs {
				_, err := outcome(t, f)
				death{code: 2, signal: "SIGSEGV", reason: "SIGSEGV"}.check(t, crashOf(t, err), engine.PhaseRun)
			}
			stop()
			// And in the middle of the way: who is killed then has not begun.
			kill := killAtRandom(p, 77, 100*time.Millisecond, syscall.SIGKILL)
			for range 10 {
				if b, err := outcome(t, braid.Submit(context.Background(), p, echoAgain, make([]byte, 4<<20))); err != nil && !errors.Is(err, braid.ErrPoison) {
					t.Error(err)
				} else if err == nil && len(b) != 4<<20 {
					t.Errorf("%d bytes came back", len(b))
				}
			}
			kill()
			wantSquare(t, p)
		})
	}
}

func TestScenario078_ManySubmitsBeforeAnyWorker(t *testing.T) {
	p := newPool(t, multiprocessing.Config{Workers: 1, Init: multiprocessing.Task(nap, 50*time.Millisecond)})
	var fs []*braid.Future[int]
	var all sync.Mutex
	var submitters sync.WaitGroup
	for i := range 100 { // more than there is room for
		submitters.Go(func() {
			f := braid.Submit(context.Background(), p, square, i)
			all.Lock()
			defer all.Unlock()
			fs = append(fs, f)
		})
	}
	submitters.Wait()
	sum := 0
	for _, f := range fs {
		got, err := outcome(t, f)
		if err != nil {
			t.Error(err)
		}
		sum += got
	}
	if sum != 328350 {
		t.Errorf("the sum of the squares is %d", sum)
	}
}

// An identity is what a process knows of itself.
type identity struct {
	PID, Parent int
	Worker      bool
	ParentAlive bool
	Err         string
}

var identify = braid.Define("test.identify", func(context.Context, struct{}) (identity, error) {
	alive, err := multiprocessing.ParentAlive()
	return identity{os.Getpid(), os.Getppid(), multiprocessing.IsWorker(), alive, fmt.Sprint(err)}, nil
})

func TestScenario079_Identity(t *testing.T) {
	p := newPool(t, multiprocessing.Config{Workers: 1})
	id, err := outcome(t, braid.Submit(context.Background(), p, identify, struct{}{}))
	if err != nil {
		t.Fatal(err)
	}
	want := identity{PID: p.Workers()[0].PID, Parent: os.Getpid(), Worker: true, ParentAlive: true, Err: "<nil>"}
	if id != want {
		t.Errorf("the worker says that it is %+v, want %+v", id, want)
	}
	if _, err := multiprocessing.ParentAlive(); !errors.Is(err, multiprocessing.ErrNoParent) || multiprocessing.IsWorker() {
		t.Errorf("the program has a parent: %v", err)
	}
}

func TestScenario080_TerminateAndKill(t *testing.T) {
	proctest.Check(t)
	for _, c := range []struct {
		end  func(*multiprocessing.Process)
		code int
	}{{(*multiprocessing.Process).Terminate, -15}, {(*multiprocessing.Process).Kill, -9}} {
		p, err := multiprocessing.Start(context.Background(), misbehave, "deaf")
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Join(over()); !errors.Is(err, context.Canceled) || !p.Alive() {
			t.Errorf("Join with a context that is done: %v, alive %v", err, p.Alive())
		}
		if code, ok := p.ExitCode(); ok {
			t.Errorf("the exit code of a process that runs is %d", code)
		}
		c.end(p)
		_ = p.Join(deadline(t))
		if code, ok := p.ExitCode(); !ok || code != c.code || p.Alive() {
			t.Errorf("exit code %d, %v, alive %v", code, ok, p.Alive())
		}
		c.end(p) // of one that has ended, it does nothing
	}
}

func TestScenario083_ManyProcesses(t *testing.T) {
	proctest.Check(t)
	n := 50
	if testing.Short() || raceEnabled {
		n = 10
	}
	var ps []*multiprocessing.Process
	for i := range n {
		p, err := multiprocessing.Start(context.Background(), misbehave, fmt.Sprintf("exit %d", i))
		if err != nil {
			t.Fatal(err)
		}
		ps = append(ps, p)
	}
	for i, p := range ps {
		_ = p.Join(deadline(t))
		if code, ok := p.ExitCode(); !ok || code != i {
			t.Errorf("process %d ended with %d", i, code)
		}
	}
	if left := multiprocessing.Processes(); len(left) != 0 {
		t.Errorf("%d processes are listed", len(left))
	}
}

var (
	ticks    int
	tickLock sync.Mutex
	// linger starts a goroutine that outlasts the call, and countTicks tells of it.
	linger = braid.Define("test.linger", func(context.Context, struct{}) (int, error) {
		go func() {
			for {
				tickLock.Lock()
				ticks++
				tickLock.Unlock()
				runtime.Gosched()
			}
		}()
		return 0, nil
	})
	countTicks = braid.Define("test.count", func(_ context.Context, most int) (int, error) {
		for {
			tickLock.Lock()
			n := ticks
			tickLock.Unlock()
			if n >= most {
				return n, nil
			}
			runtime.Gosched()
		}
	})
)

func TestScenario085_GoroutinesStay(t *testing.T) {
	p := newPool(t, multiprocessing.Config{Workers: 1})
	if _, err := outcome(t, braid.Submit(context.Background(), p, linger, struct{}{})); err != nil {
		t.Fatal(err)
	}
	if n, err := outcome(t, braid.Submit(context.Background(), p, countTicks, 100)); err != nil || n < 100 {
		t.Errorf("%d, %v", n, err)
	}
	// Nor do they keep a process alive.
	proc, err := multiprocessing.Start(context.Background(), linger, struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	if err := proc.Join(deadline(t)); err != nil {
		t.Error(err)
	}
}

var closeOutput = braid.Define("test.closeOutput", func(context.Context, struct{}) (int, error) {
	return 0, errors.Join(os.Stdout.Close(), os.Stderr.Close())
})

func TestScenario086_ClosedOutput(t *testing.T) {
	p := newPool(t, multiprocessing.Config{Workers: 1, Output: hush})
	for range 2 {
		_, _ = outcome(t, braid.Submit(context.Background(), p, closeOutput, struct{}{}))
		wantSquare(t, p)
	}
	if _, err := outcome(t, braid.Submit(context.Background(), p, chatter, 1)); err != nil {
		t.Error(err)
	}
	_, err := outcome(t, braid.Submit(context.Background(), p, misbehave, "exit 4"))
	if c := crashOf(t, err); c.ExitCode != 4 {
		t.Errorf("%v", err)
	}
	wantSquare(t, p)
}

func TestScenario097_Unordered(t *testing.T) {
	p := newPool(t, multiprocessing.Config{Workers: 3})
	var got []int
	for n, err := range braid.Map(context.Background(), p, innocent, counting(500), braid.Ordered(false)) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, n)
	}
	slices.Sort(got)
	for i, n := range got {
		if n != i+1 {
			t.Fatalf("result %d is %d", i, n)
		}
	}
	if len(got) != 500 {
		t.Errorf("%d results", len(got))
	}
}

func TestScenario099_CloseManySleepers(t *testing.T) {
	proctest.Check(t)
	p, err := multiprocessing.NewPool(multiprocessing.Config{Workers: 2, Queue: 10_000, Grace: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	var fs []*braid.Future[int]
	for range 10_000 {
		fs = append(fs, braid.Submit(context.Background(), p, nap, time.Hour))
	}
	running(t, p, 2)
	if err := closeSoon(t, over(), p); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "10000 calls") {
		t.Errorf("Close: %v", err)
	}
	for _, f := range fs {
		select {
		case <-f.Done():
		default:
			t.Fatal("a call has no outcome when Close has returned")
		}
		if _, err := f.Await(context.Background()); !errors.Is(err, engine.ErrClosed) {
			t.Fatalf("a call: %v", err)
		}
	}
}

var failAtLength = braid.Define("test.failAtLength", func(_ context.Context, n int) (int, error) {
	return 0, errors.New(strings.Repeat("x", n))
})

func TestScenario100_LargeErrors(t *testing.T) {
	p := newPool(t, multiprocessing.Config{Workers: 2})
	n := 0
	for _, err := range braid.Map(context.Background(), p, failAtLength, slices.Values([]int{1 << 20, 2, 3 << 20, 4, 1 << 20, 6})) {
		if err == nil {
			t.Error("a call succeeded")
		}
		n++
	}
	if n != 6 {
		t.Errorf("%d outcomes: the first failure ended the others", n)
	}
	if err := closeSoon(t, context.Background(), p); err != nil || p.Statistics().Deaths != 0 {
		t.Errorf("Close: %v; %+v", err, p.Statistics())
	}
}

func TestScenario102_ResultsThatCannotTravel(t *testing.T) {
	p := newPool(t, multiprocessing.Config{Workers: 2})
	wantSquare(t, p)
	for i := range 20 {
		how := []string{"error", "panic"}[i%2]
		_, err := outcome(t, braid.Submit(context.Background(), p, carry, cargo{"encode", how}))
		if c, ok := errors.AsType[*engine.CodecError](err); !ok || c.Phase != engine.PhaseEncode {
			t.Errorf("%v", err)
		}
	}
	if ws := p.Workers(); len(ws) != 1 || ws[0].Tasks != 21 || p.Statistics().Deaths != 0 {
		t.Errorf("the workers are %+v", ws)
	}
}

func TestScenario103_OutcomeInCallback(t *testing.T) {
	p := newPool(t, multiprocessing.Config{Workers: 2, Output: hush})
	for _, how := range []string{"sentinel", "panic", "exit 5", "nothing"} {
		f := braid.Submit(context.Background(), p, misbehave, how)
		heard := make(chan error, 1)
		f.OnDone(func() {
			_, err := f.Await(context.Background())
			heard <- err
		})
		select {
		case err := <-heard:
			if (err == nil) != (how == "nothing") {
				t.Errorf("%s: the callback hears %v", how, err)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("%s: the callback is not called", how)
		}
	}
}

func TestScenario116_NoStandardFiles(t *testing.T) {
	needsLinux(t, "the program for it needs Linux")
	cmd := exec.CommandContext(deadline(t), "sh", "-c", `exec "$0" <&- >&- 2>&-`, os.Args[0])
	cmd.Env = append(os.Environ(), asProgram+"=without standard files")
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 42 {
		t.Errorf("the program ended with %v", err)
	}
}
