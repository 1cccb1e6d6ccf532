//go:build unix

package multiprocessing_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/internal/proctest"
	"github.com/go-braid/braid/multiprocessing"
)

// Deaf says that it has begun, and does not listen.
var (
	deaf      = braid.Define("test.deaf", beDeaf)
	deafAgain = braid.Define("test.deafAgain", beDeaf, braid.Idempotent())
)

func beDeaf(context.Context, string) (int, error) {
	fmt.Println("begun")
	select {}
}

func TestKill(t *testing.T) {
	for _, task := range []*braid.Task[string, int]{deaf, deafAgain} {
		t.Run(task.Name(), func(t *testing.T) {
			proctest.Check(t)
			begun := make(chan struct{}, 8)
			p, err := multiprocessing.NewPool(multiprocessing.Config{
				Workers: 2, Output: func(multiprocessing.Output) { begun <- struct{}{} },
			})
			if err != nil {
				t.Fatal(err)
			}
			var futures []*braid.Future[int]
			for range 3 {
				futures = append(futures, braid.Submit(t.Context(), p, task, ""))
			}
			<-begun
			<-begun
			p.Kill()
			notStarted := 0
			for _, f := range futures {
				_, err := f.Await(t.Context())
				if !errors.Is(err, engine.ErrClosed) {
					t.Errorf("a call failed with %v, want ErrClosed", err)
				}
				if errors.Is(err, engine.ErrNotStarted) {
					notStarted++
				}
			}
			if notStarted != 1 {
				t.Errorf("%d calls had not started, want 1", notStarted)
			}
			if _, err := braid.Submit(t.Context(), p, whoami, struct{}{}).Await(t.Context()); !errors.Is(err, engine.ErrClosed) {
				t.Errorf("a call afterwards: %v, want ErrClosed", err)
			}
			p.Kill() // again
			if err := p.Close(t.Context()); err != nil {
				t.Errorf("Close: %v", err)
			}
			if s := p.Statistics(); s.Deaths != 0 || s.Submitted != s.Refused+s.Completed || len(p.Workers()) != 0 {
				t.Errorf("statistics %+v", s)
			}
		})
	}
}

// Idle workers are killed as well, and so is what they have started.
func TestKillIdle(t *testing.T) {
	proctest.Check(t)
	p, err := multiprocessing.NewPool(multiprocessing.Config{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	if pid, err := braid.Submit(t.Context(), p, whoami, struct{}{}).Await(t.Context()); err != nil || pid == os.Getpid() {
		t.Fatal(pid, err)
	}
	p.Kill()
	if err := p.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
