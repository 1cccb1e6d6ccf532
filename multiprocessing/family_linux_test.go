package multiprocessing_test

import (
	"context"
	"fmt"
	"os/exec"
	"syscall"
	"testing"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/multiprocessing"
)

// A brood is what a task starts: so many processes in the worker's group and so many in
// sessions of their own; and what it does then.
type brood struct {
	Near, Far int
	Then      string
}

var breed = braid.Define("test.breed", func(ctx context.Context, b brood) (int, error) {
	for i := range b.Near + b.Far {
		cmd := exec.Command("sleep", "1000")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: i >= b.Near}
		if err := cmd.Start(); err != nil {
			return 0, err
		}
		fmt.Println("running", cmd.Process.Pid)
	}
	return misbehaving(ctx, b.Then)
})

// TestFamilyDies: with a worker die all that it has started: what is in its group, however
// it dies, and what has left that, when the pool ends it.
func TestFamilyDies(t *testing.T) {
	most := 50
	if testing.Short() || raceEnabled {
		most = 5
	}
	for _, c := range []struct {
		name string
		b    brood
		end  func(t *testing.T, p *multiprocessing.Pool, f *braid.Future[int])
	}{
		{"cancelled", brood{most, most, "deaf"}, func(t *testing.T, p *multiprocessing.Pool, f *braid.Future[int]) { f.Cancel(nil) }},
		{"closed", brood{5, 5, "deaf"}, func(t *testing.T, p *multiprocessing.Pool, f *braid.Future[int]) { _ = closeSoon(t, over(), p) }},
		{"exits", brood{most, 0, "exit 1"}, nil},
		{"killed", brood{5, 0, "kill 9"}, nil},
		{"crashes", brood{5, 0, "unlock"}, nil},
		{"stops", brood{5, 5, "stop"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			tell := newTeller()
			p := newPool(t, multiprocessing.Config{Workers: 2, Grace: -1, Output: tell.output})
			stop := beside(t, p)
			f := braid.Submit(context.Background(), p, breed, c.b)
			var pids []int
			for range c.b.Near + c.b.Far {
				pids = append(pids, tell.next(t))
			}
			if c.name == "closed" {
				stop()
			}
			if c.end != nil {
				c.end(t, p, f)
			}
			if _, err := outcome(t, f); err == nil || c.end == nil && engine.Interrupted(err) {
				t.Errorf("the call: %v", err)
			}
			for _, pid := range pids {
				eventually(t, "a child of the worker is dead", func() bool { return !isAlive(pid) })
			}
			stop()
		})
	}
}
