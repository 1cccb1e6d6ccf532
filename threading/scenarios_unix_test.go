//go:build unix

package threading_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/go-braid/braid/threading"
)

// A thread that computes without pause, and calls nothing, on the only processor that
// there is, keeps neither main nor a signal waiting: the runtime interrupts it. It does
// not end it: only the end of the program does.
func TestScenario035_Interrupt(t *testing.T) {
	cmd, stderr := process(t, "interrupted")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "the loop runs" {
		t.Errorf("the program printed %q", lines.Text())
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Error(err)
	}
	if !lines.Scan() || lines.Text() != "interrupted, alive: true" {
		t.Errorf("the program printed %q", lines.Text())
	}
	if err := cmd.Wait(); err != nil || stderr.Len() != 0 {
		t.Errorf("the program: %v\n%s", err, stderr)
	}
}

func init() { mains["interrupted"] = mainInterrupted }

func mainInterrupted() {
	runtime.GOMAXPROCS(1)
	ctx, stop := signal.NotifyContext(bg, os.Interrupt)
	defer stop()
	var begun atomic.Bool
	th := threading.Go(ctx, "tight", func(context.Context) error {
		begun.Store(true)
		for n := uint64(0); ; n++ {
		}
	})
	for !begun.Load() {
		runtime.Gosched()
	}
	fmt.Println("the loop runs")
	<-ctx.Done()
	fmt.Println("interrupted, alive:", th.Alive())
}
