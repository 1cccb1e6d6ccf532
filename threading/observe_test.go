package threading_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"runtime/pprof"
	"runtime/trace"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/strand"
	"github.com/go-braid/braid/threading"
)

func TestSlowTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := make(chan threading.SlowTask, 10)
		p := open(t, threading.Config{Name: "mine", Workers: 1, Slow: time.Second, OnSlow: func(s threading.SlowTask) { slow <- s }})
		start := time.Now()
		for i, d := range []time.Duration{time.Second - 1, time.Second + 1} {
			succeeded(t, run(p, func(ctx context.Context) error { return strand.Sleep(ctx, d) }, braid.Name("sleeper"), braid.Index(i)))
		}
		want := threading.SlowTask{Pool: "mine", Task: "sleeper", Index: 1, Worker: 1, Start: start.Add(time.Second - 1)}
		if got := <-slow; got != want {
			t.Errorf("the report is %+v, want %+v", got, want)
		}
		if len(slow) != 0 {
			t.Errorf("there is another report: %+v", <-slow)
		}
	})
}

// Labels are on the goroutine while the task runs, and not after it.
func TestLabels(t *testing.T) {
	p := open(t, threading.Config{Name: "mine", Workers: 1, Labels: true})
	profile := func() string {
		var b strings.Builder
		if err := pprof.Lookup("goroutine").WriteTo(&b, 1); err != nil {
			t.Error(err)
		}
		return b.String()
	}
	const labels = `"pool":"mine"`
	var during string
	succeeded(t, run(p, func(context.Context) error { during = profile(); return nil }, braid.Name("labelled")))
	if !strings.Contains(during, labels) || !strings.Contains(during, `"task":"labelled"`) {
		t.Errorf("the profile has no labels while the task runs:\n%s", during)
	}
	if err := p.Drain(bg); err != nil {
		t.Fatal(err)
	}
	if after := profile(); strings.Contains(after, labels) {
		t.Errorf("the profile has labels when nothing runs:\n%s", after)
	}
}

// While a trace is taken, each task is a region of its name.
func TestTraceRegions(t *testing.T) {
	p := open(t, threading.Config{Workers: 1})
	var b bytes.Buffer
	if err := trace.Start(&b); err != nil {
		t.Skip("somebody else takes a trace: ", err)
	}
	succeeded(t, run(p, nothing, braid.Name("a-region-of-its-own")))
	trace.Stop()
	if !bytes.Contains(b.Bytes(), []byte("a-region-of-its-own")) {
		t.Error("the trace does not have the task's name")
	}
}

// A panic ends the program where that is asked for, and says where it came from.
func TestCrash(t *testing.T) {
	const role = "BRAID_TEST_CRASH"
	if kind := os.Getenv(role); kind != "" {
		p := threading.NewPool(threading.Config{Crash: true})
		if kind == "call" {
			_, _ = braid.Go(bg, p, func(context.Context) (int, error) { return 0, burst() }).Await(bg)
		} else {
			_ = p.Go(bg, func(context.Context) { _ = burst() })
		}
		select {} // the panic ends the program, and nothing else
	}
	for _, kind := range []string{"call", "function"} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestCrash$")
		cmd.Env = append(os.Environ(), role+"="+kind)
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), "panic: burst") || !strings.Contains(string(out), "threading_test.burst") {
			t.Errorf("a %s that panics: %v\n%s", kind, err, out)
		}
	}
}

func burst() error { panic("burst") }
