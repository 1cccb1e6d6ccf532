//go:build unix

package multiprocessing_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/multiprocessing"
)

// A noise is what a task writes: so many bytes to each of its outputs, and how.
type noise struct {
	Bytes  int
	Binary bool
	Log    int  // and so many records
	Die    bool // at the end
}

var (
	chatter = braid.Define("test.chatter", func(ctx context.Context, n int) (int, error) {
		for i := range n {
			braid.Progress(ctx, int64(i+1), int64(n))
		}
		slog.With("who", "chatter").WithGroup("g").Warn("a record", "n", n)
		fmt.Println("to standard output")
		fmt.Fprint(os.Stderr, "to standard error, without an end of line")
		return n, nil
	})
	makeNoise = braid.Define("test.makeNoise", func(_ context.Context, n noise) (int, error) {
		line := bytes.Repeat([]byte("noise "), 20)
		if n.Binary {
			line = make([]byte, 256)
			for i := range line {
				line[i] = byte(i)
			}
		} else {
			line[len(line)-1] = '\n'
		}
		for sent := 0; sent < n.Bytes; sent += len(line) {
			for _, w := range []io.Writer{os.Stdout, os.Stderr} {
				if _, err := w.Write(line); err != nil {
					return 0, err
				}
			}
		}
		for i := range n.Log {
			slog.Info("noise", "i", i, "text", strings.Repeat("x", 1000))
		}
		if n.Die {
			fmt.Fprintln(os.Stderr, "last words")
			os.Exit(3)
		}
		return n.Bytes, nil
	})
	// heir leaves the worker's outputs to a process that outlives it.
	heir = braid.Define("test.heir", func(_ context.Context, code int) (int, error) {
		cmd := exec.Command("sleep", "1000")
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := cmd.Start(); err != nil {
			return 0, err
		}
		fmt.Println("running", cmd.Process.Pid)
		fmt.Fprintln(os.Stderr, "last words")
		os.Exit(code)
		return 0, nil
	})
)

// TestEverythingComesHome: output, records of the log and progress, tagged.
func TestEverythingComesHome(t *testing.T) {
	ctx := deadline(t)
	var mu sync.Mutex
	var outputs []multiprocessing.Output
	var progress []int64
	var records bytes.Buffer
	p := newPool(t, multiprocessing.Config{
		Workers: 1, Logger: slog.New(slog.NewTextHandler(&records, nil)),
		Output: func(o multiprocessing.Output) {
			mu.Lock()
			defer mu.Unlock()
			outputs = append(outputs, o)
		},
		Listener: &engine.Listener{Progress: func(e engine.Event) { progress = append(progress, e.Done) }},
	})
	if _, err := braid.Submit(ctx, p, chatter, 3).Await(ctx); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(progress, []int64{1, 2, 3}) {
		t.Errorf("progress: %v", progress)
	}
	mu.Lock()
	defer mu.Unlock()
	texts := make(map[string]bool)
	for _, o := range outputs {
		texts[o.Text] = o.Stderr
		if o.Task != "test.chatter" || o.Worker != 1 || o.Attempt != 1 || o.PID == os.Getpid() {
			t.Errorf("an output's tags: %+v", o)
		}
	}
	if toErr, ok := texts["to standard output"]; !ok || toErr {
		t.Errorf("standard output is missing: %v", texts)
	}
	if toErr := texts["to standard error, without an end of line"]; !toErr {
		t.Errorf("standard error is missing: %v", texts)
	}
	for _, want := range []string{"level=WARN", `msg="a record"`, "who=chatter", "g.n=3", "worker=1", "task=test.chatter", "attempt=1"} {
		if !strings.Contains(records.String(), want) {
			t.Errorf("the record %q lacks %s", records.String(), want)
		}
	}
}

// TestNoise has tasks write megabytes to their outputs, of lines and of anything, and
// to the log, in the middle of results. All of it arrives, and nothing else suffers.
func TestNoise(t *testing.T) {
	size := 10 << 20
	if testing.Short() {
		size = 1 << 20
	}
	for _, n := range []noise{{Bytes: size}, {Bytes: size, Binary: true}, {Log: 2000}, {Bytes: 1 << 20, Log: 100, Die: true}} {
		t.Run(fmt.Sprintf("%+v", n), func(t *testing.T) {
			var got [2]atomic.Int64
			var records atomic.Int64
			p := newPool(t, multiprocessing.Config{Workers: 2,
				Logger: slog.New(counter{&records}),
				Output: func(o multiprocessing.Output) {
					if o.Task != "test.makeNoise" {
						return
					}
					i := 0
					if o.Stderr {
						i = 1
					}
					got[i].Add(int64(len(o.Text)))
				}})
			stop := beside(t, p)
			_, err := outcome(t, braid.Submit(context.Background(), p, makeNoise, n))
			stop()
			if n.Die {
				if c := crashOf(t, err); !strings.HasSuffix(c.Stderr, "noise\nlast words\n") || len(c.Stderr) > 64<<10 {
					t.Errorf("its last words are %d bytes", len(c.Stderr))
				}
			} else if err != nil {
				t.Errorf("the noisy call: %v", err)
			}
			if err := p.Close(context.Background()); err != nil {
				t.Fatal(err)
			}
			for i := range got {
				// Without ends of lines.
				if g := int(got[i].Load()); g < n.Bytes*9/10 {
					t.Errorf("of %d bytes %d arrived at output %d", n.Bytes, g, i+1)
				}
			}
			if records.Load() != int64(n.Log) {
				t.Errorf("%d records of %d arrived", records.Load(), n.Log)
			}
		})
	}
}

// A counter is a handler that counts records.
type counter struct{ n *atomic.Int64 }

func (counter) Enabled(context.Context, slog.Level) bool { return true }
func (c counter) Handle(context.Context, slog.Record) error {
	c.n.Add(1)
	return nil
}
func (c counter) WithAttrs([]slog.Attr) slog.Handler { return c }
func (c counter) WithGroup(string) slog.Handler      { return c }

// TestHeir: a process that outlives a worker, and has its outputs, holds up nothing and
// leaves nothing of the pool behind. The worker's last words have arrived.
func TestHeir(t *testing.T) {
	tell := newTeller()
	p := newPool(t, multiprocessing.Config{Workers: 2, Output: tell.output})
	stop := beside(t, p)
	_, err := outcome(t, braid.Submit(context.Background(), p, heir, 5))
	pid := tell.next(t)
	if !isAlive(pid) {
		t.Error("the heir is dead: this tests nothing")
	}
	defer func() { _ = syscall.Kill(pid, syscall.SIGKILL) }()
	if c := crashOf(t, err); c.ExitCode != 5 || c.Stderr != "last words\n" {
		t.Errorf("code %d, last words %q", c.ExitCode, c.Stderr)
	}
	stop()
	if err := p.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

// TestSlowOutput: a worker waits for who reads its output, and nobody else does.
func TestSlowOutput(t *testing.T) {
	read := make(chan struct{})
	p := newPool(t, multiprocessing.Config{Workers: 2, Output: func(o multiprocessing.Output) { <-read }})
	stop := beside(t, p)
	f := braid.Submit(context.Background(), p, makeNoise, noise{Bytes: 1 << 20})
	running(t, p, 2)
	for i := range 50 {
		if _, err := outcome(t, braid.Submit(context.Background(), p, square, i)); err != nil {
			t.Error(err)
		}
	}
	select {
	case <-f.Done():
		t.Error("the task did not wait for its reader")
	default:
	}
	stop()
	close(read)
	if _, err := outcome(t, f); err != nil {
		t.Error(err)
	}
}

// TestSlowConsumer: who does not take the results of a Map holds up its calls; how many
// wait is bounded.
func TestSlowConsumer(t *testing.T) {
	p := newPool(t, multiprocessing.Config{Workers: 2})
	inputs := 1_000_000
	var taken atomic.Int64
	n, most := 0, int64(0)
	for got, err := range braid.Map(context.Background(), p, square, func(yield func(int) bool) {
		for i := range inputs {
			taken.Add(1)
			if !yield(i) {
				return
			}
		}
	}) {
		if err != nil || got != n*n {
			t.Fatalf("result %d: %d, %v", n, got, err)
		}
		n++
		ahead := taken.Load() - int64(n)
		most = max(most, ahead)
		if n == 20_000 {
			// The consumer stalls: the workers come to rest all the same.
			eventually(t, "nothing runs", func() bool { s := p.Statistics(); return s.Running == 0 && s.Queued == 0 })
			if got := taken.Load() - int64(n); got != ahead {
				t.Errorf("%d inputs were taken while nobody took results", got-ahead)
			}
		}
		if n == 40_000 && (raceEnabled || testing.Short()) {
			break
		}
	}
	if most > 4*4096+1 { // two batches for each worker
		t.Errorf("the inputs were %d ahead of the results", most)
	}
}
