//go:build linux

package multiprocessing_test

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/go-braid/braid/multiprocessing"
)

func init() {
	tricks["event: wait"] = func(ctx context.Context, k kit) (int, error) {
		k.Counts.Add(0, 1)
		return 0, k.Go.Wait(ctx)
	}
	tricks["event: set"] = func(_ context.Context, k kit) (int, error) {
		k.Ready.Set()
		return 0, nil
	}
}

func TestEventAcrossProcesses(t *testing.T) {
	checkShared(t)
	ctx := deadline(t)
	e, back, counts := newEvent(t), newEvent(t), newCounts(t, 1)
	var ps []*multiprocessing.Process
	for range 3 {
		ps = append(ps, launch(t, ctx, kit{How: "event: wait", Go: e, Counts: counts}))
	}
	here := make(chan error)
	go func() { here <- e.Wait(ctx) }()
	until(t, "all wait", func() bool { return e.Statistics().Waiting == 4 })
	slay(ps[0]) // which is no reason for the others not to be woken
	e.Set()
	e.Clear() // nor is this
	for _, p := range ps[1:] {
		if err := p.Join(ctx); err != nil {
			t.Error(err)
		}
	}
	if err := <-here; err != nil {
		t.Error(err)
	}
	if e.IsSet() {
		t.Error("it is set after Clear")
	}
	if err := launch(t, ctx, kit{How: "event: set", Ready: back}).Join(ctx); err != nil {
		t.Error(err)
	}
	if err := back.Wait(ctx); err != nil || !back.IsSet() {
		t.Errorf("after a Set elsewhere: %v, set: %v", err, back.IsSet())
	}
}

func TestEventCancelled(t *testing.T) {
	checkShared(t)
	ctx := deadline(t)
	e := newEvent(t)
	if err := cancelled(ctx, func() {}, e.Wait); err != context.Canceled {
		t.Errorf("cancelled before Set: %v", err)
	}
	set := func() {
		e.Set()
		e.Clear()
		until(t, "it is woken", func() bool { return e.Statistics().Waiting == 0 })
	}
	if err := cancelled(ctx, set, e.Wait); err != nil {
		t.Errorf("cancelled after Set: %v", err)
	}
	e.Set()
	e.Set()
	if st := e.Statistics(); st != (multiprocessing.EventStatistics{Set: true, Sets: 2}) {
		t.Errorf("%+v", st)
	}
	e.Clear()
	waits := make(chan error)
	go func() { waits <- e.Wait(ctx) }()
	until(t, "it waits", func() bool { return e.Statistics().Waiting == 1 })
	_ = e.Close()
	if err := <-waits; !errors.Is(err, os.ErrClosed) {
		t.Errorf("closed while it waits: %v", err)
	}
	expectPanic(t, "closed", e.Set)
}
