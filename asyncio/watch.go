package asyncio

import (
	"context"

	"github.com/go-braid/braid/internal/waitq"
)

// A watch wakes the parked coroutines of one context when it is done. A context
// can have many: children share the watch of whatever ends them all, so that to
// park costs no registration with the context.
type watch struct {
	loop   *Loop
	done   <-chan struct{}
	timed  bool // the context has a deadline
	stop   func() bool
	users  int // workers whose coroutine last parked with the context
	parked waitq.List[*worker]
	letter letter
}

// watchFor has the coroutine of w, which parks, woken when ctx is done.
func (l *Loop) watchFor(w *worker, ctx context.Context, done <-chan struct{}) {
	if w.watch == nil || w.watch.done != done {
		w.unwatch()
		t := l.watches[done]
		if t == nil {
			t = &watch{loop: l, done: done}
			t.letter.from = t
			_, t.timed = ctx.Deadline()
			l.watches[done] = t
			t.stop = context.AfterFunc(ctx, func() { l.send(&t.letter) })
		}
		t.users++
		w.watch = t
	}
	w.watch.parked.Push(&w.entry)
}

// unwatch forgets the watch of w, whose coroutine is not parked.
func (w *worker) unwatch() {
	t := w.watch
	if t == nil {
		return
	}
	w.watch = nil
	if t.users--; t.users == 0 {
		t.stop()
		delete(t.loop.watches, t.done)
	}
}

// arrive implements sender: the context is done.
func (t *watch) arrive() {
	for n := t.parked.Pop(); n != nil; n = t.parked.Pop() {
		n.Value.cutShort()
	}
}

// awaitsDeadline reports whether the deadline of a context will wake a coroutine.
func (l *Loop) awaitsDeadline() bool {
	for _, t := range l.watches {
		if t.timed && t.parked.Len() > 0 {
			return true
		}
	}
	return false
}
