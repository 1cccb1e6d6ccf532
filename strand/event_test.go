package strand_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/go-braid/braid/strand"
)

func TestEventSetThenClearWakesAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var e strand.Event
		var woken atomic.Int32
		for range 5 {
			go func() {
				if err := e.Wait(bg); err != nil {
					t.Error(err)
				}
				woken.Add(1)
			}()
		}
		synctest.Wait()
		if s := e.Statistics(); s != (strand.EventStatistics{Waiting: 5}) {
			t.Errorf("Statistics() = %+v, want 5 waiting", s)
		}
		e.Set()
		e.Clear()
		synctest.Wait()
		if n := woken.Load(); n != 5 {
			t.Errorf("%d strands were woken, want 5", n)
		}
		if e.IsSet() {
			t.Error("the event is set after Clear")
		}
	})
}

func TestEventIsLevelTriggered(t *testing.T) {
	ctx, cancel := context.WithCancel(bg)
	cancel()
	var e strand.Event
	if err := e.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Wait under a done context returned %v, want context.Canceled", err)
	}
	e.Set()
	e.Set()
	for range 2 {
		if err := e.Wait(ctx); err != nil {
			t.Errorf("Wait for a set event returned %v, want nil", err)
		}
	}
	if s := e.Statistics(); s != (strand.EventStatistics{Set: true}) {
		t.Errorf("Statistics() = %+v, want set and nobody waiting", s)
	}
	e.Clear()
	if err := e.Wait(ctx); err == nil {
		t.Error("Wait for a cleared event returned nil")
	}
}
