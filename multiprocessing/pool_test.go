//go:build unix

package multiprocessing_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/internal/proctest"
	"github.com/go-braid/braid/multiprocessing"
	"github.com/go-braid/braid/strand"
)

var (
	echo      = braid.Define("test.echo", func(_ context.Context, b []byte) ([]byte, error) { return b, nil })
	echoAgain = braid.Define("test.echoAgain", func(_ context.Context, b []byte) ([]byte, error) { return b, nil }, braid.Idempotent())
	floats    = braid.Define("test.floats", func(_ context.Context, v []float64) ([]float64, error) { return v, nil })
	whoami    = braid.Define("test.whoami", func(context.Context, struct{}) (int, error) { return os.Getpid(), nil })
	nap       = braid.Define("test.nap", func(ctx context.Context, d time.Duration) (int, error) {
		return os.Getpid(), strand.Sleep(ctx, d)
	})
)

func TestResults(t *testing.T) {
	for _, pipes := range []bool{false, true} {
		ctx, p := deadline(t), newPool(t, multiprocessing.Config{Workers: 2, Pipes: pipes})
		for i := range 100 {
			if got, err := braid.Submit(ctx, p, square, i).Await(ctx); err != nil || got != i*i {
				t.Fatalf("square(%d) = %d, %v", i, got, err)
			}
		}
		pid, err := braid.Submit(ctx, p, whoami, struct{}{}).Await(ctx)
		if err != nil || pid == os.Getpid() {
			t.Errorf("the task ran in process %d, %v; this is %d", pid, err, os.Getpid())
		}
	}
}

func TestLargeValues(t *testing.T) {
	for _, pipes := range []bool{false, true} {
		ctx, p := deadline(t), newPool(t, multiprocessing.Config{Workers: 1, Pipes: pipes})
		for _, n := range []int{0, 1, 4095, 32 << 10, 256<<10 - 32, 256 << 10, 256<<10 + 1, 1 << 20, 5<<20 + 3} {
			b := make([]byte, n)
			for i := range b {
				b[i] = byte(i * 7)
			}
			got, err := braid.Submit(ctx, p, echo, b).Await(ctx)
			if err != nil || !slices.Equal(got, b) {
				t.Fatalf("%d bytes: %d came back, %v", n, len(got), err)
			}
			v := make([]float64, n/8)
			for i := range v {
				v[i] = float64(i) / 3
			}
			back, err := braid.Submit(ctx, p, floats, v).Await(ctx)
			if err != nil || !slices.Equal(back, v) {
				t.Fatalf("%d floats: %d came back, %v", len(v), len(back), err)
			}
		}
	}
}

func TestMapManyTinyCalls(t *testing.T) {
	const n = 50_000
	ctx, p := deadline(t), newPool(t, multiprocessing.Config{Workers: 2})
	i := 0
	for got, err := range braid.Map(ctx, p, square, func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}) {
		if err != nil || got != i*i {
			t.Fatalf("result %d is %d, %v", i, got, err)
		}
		i++
	}
	if i != n {
		t.Errorf("%d results of %d", i, n)
	}
	if s := p.Statistics(); s.Strays != 0 || s.Submitted >= n {
		t.Errorf("statistics of a map in batches: %+v", s)
	}
}

// TestPoison: an idempotent call costs three workers, and no more.
func TestPoison(t *testing.T) {
	ctx, p := deadline(t), newPool(t, multiprocessing.Config{Workers: 1})
	_, err := braid.Submit(ctx, p, misbehaveAgain, "kill 9").Await(ctx)
	task, _ := errors.AsType[*braid.TaskError](err)
	if !errors.Is(err, braid.ErrPoison) || task == nil || task.Attempt != 3 {
		t.Errorf("the error is %v", err)
	}
	if got := p.Statistics().Deaths; got != 3 {
		t.Errorf("it cost %d workers", got)
	}
	if got, err := braid.Submit(ctx, p, square, 5).Await(ctx); err != nil || got != 25 {
		t.Errorf("afterwards: %d, %v", got, err)
	}
}

// TestStop: calls that do not listen are stopped all the same.
func TestStop(t *testing.T) {
	ctx, p := deadline(t), newPool(t, multiprocessing.Config{Workers: 2, Grace: 100 * time.Millisecond})
	for _, how := range []string{"deaf", "busy"} {
		_, err := braid.Submit(ctx, p, misbehave, how, braid.Timeout(50*time.Millisecond)).Await(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !engine.Interrupted(err) {
			t.Errorf("%s: %v", how, err)
		}
	}
	f := braid.Submit(ctx, p, misbehave, "wait")
	for p.Statistics().Running == 0 {
		runtime.Gosched()
	}
	f.Cancel(errSentinel)
	if _, err := f.Await(ctx); !errors.Is(err, errSentinel) || !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled call that listens: %v", err)
	}
}

func TestErrorsComeHome(t *testing.T) {
	ctx, p := deadline(t), newPool(t, multiprocessing.Config{Workers: 1})
	_, err := braid.Submit(ctx, p, misbehave, "sentinel").Await(ctx)
	if !errors.Is(err, errSentinel) || !strings.Contains(err.Error(), "wrapped: ") {
		t.Errorf("a wrapped sentinel: %v", err)
	}
	_, err = braid.Submit(ctx, p, misbehave, "odd").Await(ctx)
	if odd, ok := errors.AsType[*oddError](err); !ok || odd.Number != 3 {
		t.Errorf("a registered type: %v", err)
	}
	_, err = braid.Submit(ctx, p, misbehave, "path").Await(ctx)
	if path, ok := errors.AsType[*fs.PathError](err); !ok || path.Path != "/nonexistent/file" || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a path error: %v", err)
	}
	_, err = braid.Submit(ctx, p, misbehave, "panic").Await(ctx)
	if panicked, ok := errors.AsType[*braid.PanicError](err); !ok || panicked.Value != "boom" || !strings.Contains(string(panicked.Stack), "misbehaving") {
		t.Errorf("a panic: %v", err)
	}
	if _, err = braid.Submit(ctx, p, misbehave, "goexit").Await(ctx); !errors.Is(err, braid.ErrGoexit) {
		t.Errorf("Goexit: %v", err)
	}
	if got, err := braid.Submit(ctx, p, square, 6).Await(ctx); err != nil || got != 36 {
		t.Errorf("afterwards: %d, %v", got, err)
	}
	if got := p.Statistics().Deaths; got != 0 {
		t.Errorf("%d workers died", got)
	}
}

func TestClosuresAreRefused(t *testing.T) {
	ctx, p := deadline(t), newPool(t, multiprocessing.Config{Workers: 1})
	_, err := braid.Go(ctx, p, func(context.Context) (int, error) { return 1, nil }).Await(ctx)
	if !errors.Is(err, multiprocessing.ErrNotPortable) || !errors.Is(err, braid.ErrNotStarted) {
		t.Errorf("a closure: %v", err)
	}
}

func TestProcess(t *testing.T) {
	proctest.Check(t)
	ctx := deadline(t)
	for _, c := range []struct {
		how  string
		code int
	}{{"nothing", 0}, {"sentinel", 1}, {"panic", 2}, {"exit 7", 7}, {"kill 9", -9}} {
		p, err := multiprocessing.Start(ctx, misbehave, c.how, multiprocessing.Named("it"))
		if err != nil {
			t.Fatal(err)
		}
		err = p.Join(ctx)
		code, ok := p.ExitCode()
		if !ok || code != c.code || p.Alive() || p.Name() != "it" || (err == nil) != (c.code == 0) {
			t.Errorf("%s: exit code %d, %v, alive %v; error %v", c.how, code, ok, p.Alive(), err)
		}
	}
	p, err := multiprocessing.Start(ctx, misbehave, "deaf")
	if err != nil {
		t.Fatal(err)
	}
	if !p.Alive() || !slices.Contains(multiprocessing.Processes(), p) {
		t.Error("a process that runs is not alive, or not listed")
	}
	p.Terminate()
	<-p.Done()
	if code, _ := p.ExitCode(); code != -15 {
		t.Errorf("Terminate: exit code %d", code)
	}
	if len(multiprocessing.Processes()) != 0 {
		t.Error("a process that has ended is listed")
	}
}

// TestCrowd: many who submit wait for room in a small pool, and their calls may be over
// before they have noticed that there was some.
func TestCrowd(t *testing.T) {
	p := newPool(t, multiprocessing.Config{Workers: 2, Queue: -1})
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			for n := range 30 {
				if got, err := outcome(t, braid.Submit(context.Background(), p, square, i+n)); err != nil || got != (i+n)*(i+n) {
					t.Errorf("square(%d) = %d, %v", i+n, got, err)
					return
				}
			}
		})
	}
	all.Wait()
	if s := p.Statistics(); s.Completed != 200*30 || s.Refused != 0 {
		t.Errorf("the account: %+v", s)
	}
}
