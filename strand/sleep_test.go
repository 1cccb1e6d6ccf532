package strand_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-braid/braid/strand"
)

func TestSleep(t *testing.T) {
	for _, cancellable := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			ctx := bg
			if cancellable {
				var cancel context.CancelFunc
				ctx, cancel = context.WithCancel(bg)
				defer cancel()
			}
			start := strand.Now(ctx)
			if err := strand.Sleep(ctx, 90*time.Second); err != nil {
				t.Error(err)
			}
			if d := strand.Now(ctx).Sub(start); d != 90*time.Second {
				t.Errorf("Sleep took %v, want 90s", d)
			}
		})
	}
}

func TestSleepCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		ctx, cancel := context.WithCancelCause(bg)
		time.AfterFunc(time.Second, func() { cancel(errCause) })
		err := strand.Sleep(ctx, time.Hour)
		if !errors.Is(err, errCause) || !errors.Is(err, context.Canceled) {
			t.Errorf("Sleep returned %v, want context.Canceled with the cause", err)
		}
		if d := time.Since(start); d != time.Second {
			t.Errorf("Sleep took %v, want 1s", d)
		}
		// Cancelling is level-triggered: the next wait fails as well, at once.
		if err := strand.Sleep(ctx, time.Hour); !errors.Is(err, errCause) {
			t.Errorf("the next Sleep returned %v, want the cause", err)
		}
		if err := strand.Yield(ctx); !errors.Is(err, errCause) {
			t.Errorf("Yield returned %v, want the cause", err)
		}
		if d := time.Since(start); d != time.Second {
			t.Errorf("waits under a done context took %v", d-time.Second)
		}
	})
}

func TestYieldLetsOthersRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ready strand.Event
		go ready.Set()
		for !ready.IsSet() {
			if err := strand.Yield(bg); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestErr(t *testing.T) {
	if err := strand.Err(bg); err != nil {
		t.Errorf("Err of a live context = %v, want nil", err)
	}
	plain, cancel := context.WithCancel(bg)
	cancel()
	if err := strand.Err(plain); err != context.Canceled {
		t.Errorf("Err without a cause = %v, want context.Canceled itself", err)
	}
	caused, cancelCause := context.WithCancelCause(bg)
	cancelCause(errCause)
	err := strand.Err(caused)
	if !errors.Is(err, context.Canceled) || !errors.Is(err, errCause) {
		t.Errorf("Err = %v, want one that is context.Canceled and the cause", err)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Err = %v is context.DeadlineExceeded too", err)
	}
	if got, want := err.Error(), "context canceled: the cause"; got != want {
		t.Errorf("the text is %q, want %q", got, want)
	}
	late, cancelLate := context.WithDeadlineCause(bg, time.Unix(0, 0), errCause)
	defer cancelLate()
	if err := strand.Err(late); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, errCause) {
		t.Errorf("Err = %v, want one that is context.DeadlineExceeded and the cause", err)
	}
}
