package asyncio

import (
	"context"
	"sync"

	"github.com/go-braid/braid/strand"
)

// An errand is a function that blocks and so runs on a goroutine of its own, and the
// wait of the coroutine that needs its result.
type errand struct {
	mu      sync.Mutex
	wake    func()
	done    bool
	dropped bool // nobody wants the result
	err     error
}

// elsewhere runs f on a goroutine, while others have the loop, and returns what it
// returns. If ctx is done first, elsewhere returns at once; f, whose context is done
// as well, is to return soon, and if it succeeds nevertheless undo is called.
func (l *Loop) elsewhere(ctx context.Context, kind strand.Kind, f func(ctx context.Context) error, undo func()) error {
	w := l.current()
	if ctx.Err() != nil {
		return strand.Err(ctx)
	}
	e := &errand{}
	l.holds.Add(1) // the loop is not stuck meanwhile
	go func() {
		// On the loop, which thus looks anew whether anything can wake it.
		defer l.post(func() { l.holds.Add(-1) })
		e.finish(f(strand.Detach(ctx)), undo)
	}()
	taken := false
	defer func() { // also when the coroutine is unwound
		if !taken && !e.drop() && e.err == nil {
			undo()
		}
	}()
	if err := w.wait(ctx, strand.Op{Object: e, Kind: kind}, e); err != nil {
		return err
	}
	taken = true
	return e.err
}

func (e *errand) finish(err error, undo func()) {
	e.mu.Lock()
	e.done, e.err = true, err
	wake, dropped := e.wake, e.dropped
	e.mu.Unlock()
	switch {
	case dropped && err == nil:
		undo()
	case wake != nil:
		wake()
	}
}

// drop reports whether finish will see that nobody wants the result any more.
func (e *errand) drop() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.dropped = true
	return !e.done
}

// Arm implements [strand.Waitable].
func (e *errand) Arm(wake func()) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.done {
		return false
	}
	e.wake = wake
	return true
}

// Disarm implements [strand.Waitable].
func (e *errand) Disarm() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.wake = nil
	return !e.done
}
