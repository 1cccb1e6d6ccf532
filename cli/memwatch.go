package cli

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// errPutBack says that a command was stopped because memory went short, and is to be
// done again.
var errPutBack error = putBack{}

type putBack struct{}

func (putBack) Error() string { return "memory went short; it is done again later" }

// Is says that somebody has cancelled the command on purpose, so that it does not count
// as a try that failed.
func (putBack) Is(target error) bool { return target == context.Canceled }

// isPutBack reports whether a command was stopped because memory went short.
func isPutBack(err error) bool {
	var p putBack
	return errors.As(err, &p)
}

// A memoryWatch stops the youngest command when less than half of the memory is
// available that there shall be. It leaves one alone, and it waits for the end of the
// one that it has stopped before it looks again. A nil watch does nothing.
type memoryWatch struct {
	limit int64 // at half of which it acts
	read  func() (available int64, err error)
	tell  func(text string) // of each command that it stops

	mu       sync.Mutex
	commands []*watchedCommand // that run, oldest first
	stopping *watchedCommand   // nil if none is being stopped
}

type watchedCommand struct {
	name string // its input
	stop context.CancelCauseFunc
}

// enter says that a command for an input begins. It is to run with the context that is
// returned, and leave is to be called at its end.
func (w *memoryWatch) enter(ctx context.Context, name string) (_ context.Context, leave func()) {
	if w == nil {
		return ctx, func() {}
	}
	ctx, stop := context.WithCancelCause(ctx)
	c := &watchedCommand{name, stop}
	w.mu.Lock()
	w.commands = append(w.commands, c)
	w.mu.Unlock()
	return ctx, func() {
		stop(nil)
		w.mu.Lock()
		defer w.mu.Unlock()
		for i := range w.commands {
			if w.commands[i] == c {
				w.commands = append(w.commands[:i], w.commands[i+1:]...)
				break
			}
		}
		if w.stopping == c {
			w.stopping = nil
		}
	}
}

// run looks at the memory until ctx is done.
func (w *memoryWatch) run(ctx context.Context) {
	t := time.NewTicker(memoryEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			w.look()
		}
	}
}

func (w *memoryWatch) look() {
	available, err := w.read()
	if err != nil || available >= w.limit/2 {
		return
	}
	w.mu.Lock()
	n := len(w.commands)
	if n < 2 || w.stopping != nil {
		w.mu.Unlock()
		return
	}
	c := w.commands[n-1]
	w.stopping = c
	w.mu.Unlock()
	c.stop(errPutBack)
	w.tell(fmt.Sprintf("%s of memory is left: %s is stopped, and done again later", size(available), shorten(c.name, 200)))
}
