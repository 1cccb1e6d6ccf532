package threading

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/go-braid/braid/strand"
)

// A Ticker is a thread that runs a function again and again. Make one with [Every].
type Ticker struct {
	*Thread
	period  time.Duration
	start   time.Time
	stop    context.CancelFunc
	stopped context.Context
	runs    atomic.Uint64
	skipped atomic.Uint64
}

// ErrStop is what the function of a [Ticker] returns to end the ticker without an
// error. Like io.EOF it is returned as it is, not wrapped.
var ErrStop = errors.New("threading: the ticker is to stop")

// Every starts a thread that runs fn once in every period, for the first time when one
// is over. It returns without waiting. The thread ends when ctx is done, with
// strand.Err(ctx); by [Ticker.Stop]; or when fn returns an error or panics: what is to
// go on in spite of an error handles it in fn. If that is [ErrStop], the thread's error
// is nil. Every panics if period is not positive, or fn is nil.
//
// Runs are due at multiples of the period, counted from the call of Every, so that
// neither the time that fn takes nor a late start of it adds up. They do not overlap,
// and never pile up: a run that becomes due while the one before is still going on is
// skipped, and the next one begins at the next multiple.
//
// All runs are of one thread: [strand.Local] values last from one to the next. It
// keeps its goroutine while it waits.
func Every(ctx context.Context, name string, period time.Duration, fn func(ctx context.Context) error, opts ...ThreadOption) *Ticker {
	if period <= 0 {
		panic(fmt.Sprintf("threading: the period of the ticker %q is %v: it must be positive", name, period))
	}
	if fn == nil {
		panic(fmt.Sprintf("threading: the ticker %q has no function: fn is nil", name))
	}
	t := &Ticker{period: period, start: time.Now()}
	t.stopped, t.stop = context.WithCancel(context.Background())
	t.Thread = Go(ctx, name, func(ctx context.Context) error { return t.loop(ctx, fn) }, opts...)
	return t
}

func (t *Ticker) loop(ctx context.Context, fn func(ctx context.Context) error) error {
	defer t.stop()
	// The pauses end with either: ctx, whose strand sleeps, or Stop.
	pause, wake := context.WithCancel(ctx)
	defer wake()
	defer context.AfterFunc(t.stopped, wake)()
	for due := time.Duration(0); ; {
		due = t.next(due)
		err := strand.Sleep(pause, time.Until(t.start.Add(due)))
		switch {
		case ctx.Err() != nil:
			return strand.Err(ctx)
		case t.stopped.Err() != nil:
			return nil
		case err != nil:
			return err
		}
		t.runs.Add(1)
		switch err := fn(ctx); err {
		case nil:
		case ErrStop:
			return nil
		default:
			return err
		}
	}
}

// next returns when the run after that of last is due, and counts what is skipped.
func (t *Ticker) next(last time.Duration) time.Duration {
	elapsed := time.Since(t.start)
	due := elapsed.Truncate(t.period)
	if due < elapsed {
		due += t.period
	}
	due = max(due, last+t.period)
	t.skipped.Add(uint64((due-last)/t.period) - 1)
	return due
}

// Stop ends the ticker: no run begins any more, and the thread's error is nil. A run
// that has begun goes on, which [Thread.Join] waits for; to end that too, cancel its
// context. Stop never waits, and may be called by the ticker's function, and again.
func (t *Ticker) Stop() { t.stop() }

// TickerStatistics is a snapshot of a [Ticker].
type TickerStatistics struct {
	Runs    uint64 // how often the function was called
	Skipped uint64 // how often it was not, since it still ran or the program was late
}

// Statistics returns a snapshot of t.
func (t *Ticker) Statistics() TickerStatistics {
	return TickerStatistics{Runs: t.runs.Load(), Skipped: t.skipped.Load()}
}
