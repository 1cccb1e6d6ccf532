package cli

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/internal/input"
)

// A slowWatch is work of which attempts that run longer than a limit are told while
// they do. They go on.
type slowWatch struct {
	work
	limit time.Duration
	tell  func(slowMark) // called on any goroutine

	mu      sync.Mutex
	texts   map[int]string // of the inputs in flight, by their numbers
	running map[int]*time.Timer
}

// A slowMark says that an attempt at an input has run for so long and still does.
type slowMark struct {
	seq, attempt int
	text         string // the input
	ran          time.Duration
}

// String says it for people.
func (m slowMark) String() string {
	s := fmt.Sprintf("slow: %s has run for %v", shorten(m.text, 200), m.ran)
	if m.attempt > 1 {
		s += fmt.Sprintf(" (attempt %d)", m.attempt)
	}
	return s
}

func newSlowWatch(w work, limit time.Duration, tell func(slowMark)) *slowWatch {
	return &slowWatch{work: w, limit: limit, tell: tell, texts: make(map[int]string), running: make(map[int]*time.Timer)}
}

func (w *slowWatch) submit(ctx context.Context, ex braid.Executor, it input.Item, seq int, opts []braid.Option) (*braid.Future[any], error) {
	w.mu.Lock()
	w.texts[seq] = it.Text
	w.mu.Unlock()
	forget := func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.texts, seq)
	}
	future, err := w.work.submit(ctx, ex, it, seq, opts)
	if err != nil {
		forget()
		return nil, err
	}
	future.OnDone(forget)
	return future, nil
}

func (w *slowWatch) listener() *engine.Listener {
	end := func(e engine.Event) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if t := w.running[e.Index]; t != nil {
			t.Stop()
			delete(w.running, e.Index)
		}
	}
	return &engine.Listener{
		Started: func(e engine.Event) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.running[e.Index] = time.AfterFunc(w.limit, func() { w.mark(e) })
		},
		Retrying: end,
		Finished: end,
	}
}

// mark tells of the attempt that began with the event, if it still runs.
func (w *slowWatch) mark(e engine.Event) {
	w.mu.Lock()
	_, runs := w.running[e.Index]
	m := slowMark{seq: e.Index, attempt: e.Attempt, text: w.texts[e.Index], ran: w.limit}
	w.mu.Unlock()
	if runs {
		w.tell(m)
	}
}
