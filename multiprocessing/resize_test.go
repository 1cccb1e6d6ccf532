//go:build unix

package multiprocessing_test

import (
	"context"
	"testing"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/multiprocessing"
)

// A pool that grows starts workers for the calls that wait; one that shrinks lets go of
// those that are idle, and of others when they have done.
func TestResize(t *testing.T) {
	p := newPool(t, multiprocessing.Config{Workers: 1})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var naps []*braid.Future[int]
	for range 3 {
		naps = append(naps, braid.Submit(ctx, p, nap, time.Hour))
	}
	running := func(n int) {
		t.Helper()
		eventually(t, "so many run", func() bool { s := p.Statistics(); return s.Running == n && s.Workers+s.Starting == n })
	}
	running(1)
	for _, n := range []int{0, -1} {
		if err := p.Resize(n); err == nil || p.Size() != 1 {
			t.Errorf("Resize(%d) = %v, and the size is %d", n, err, p.Size())
		}
	}
	if err := p.Resize(3); err != nil || p.Size() != 3 {
		t.Errorf("Resize(3) = %v, and the size is %d", err, p.Size())
	}
	running(3)
	// The calls that run go on.
	if err := p.Resize(2); err != nil || p.Statistics().Running != 3 {
		t.Errorf("Resize(2) = %v, and %d run", err, p.Statistics().Running)
	}
	cancel()
	for _, f := range naps {
		if _, err := outcome(t, f); err == nil {
			t.Error("a call that was cancelled succeeded")
		}
	}
	eventually(t, "the worker that is too many ends", func() bool { return len(p.Workers()) == 2 })
	if err := p.Resize(1); err != nil {
		t.Error(err)
	}
	eventually(t, "an idle worker ends", func() bool { return len(p.Workers()) == 1 })
	wantSquare(t, p)
	if got := p.Statistics().Deaths; got != 0 {
		t.Errorf("%d workers that were told to end count as deaths", got)
	}
}

// A pool whose size changes all the time loses no call.
func TestResizeUnderLoad(t *testing.T) {
	p := newPool(t, multiprocessing.Config{Workers: 2})
	var fs []*braid.Future[int]
	for i := range some(300) {
		if err := p.Resize(1 + i%4); err != nil {
			t.Fatal(err)
		}
		fs = append(fs, braid.Submit(context.Background(), p, square, i))
	}
	for i, f := range fs {
		if got, err := outcome(t, f); err != nil || got != i*i {
			t.Errorf("call %d: %d, %v", i, got, err)
		}
	}
}
