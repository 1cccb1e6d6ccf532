package threading

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/internal/cancel"
	"github.com/go-braid/braid/internal/goroutine"
	"github.com/go-braid/braid/strand"
)

// Go has the pool run fn, and forgets it: there is no result, and nobody waits. It
// returns when fn is admitted, with nil, or refused, with an error that wraps
// [engine.ErrNotStarted] and the reason: the context is done, the pool is closed, or
// it is full and does not wait. Unless somebody listens to the pool, Go allocates
// nothing.
//
// The context that fn gets ends with ctx, and carries its values. It is not to be used
// after fn has returned. If ctx is done when the turn of fn comes, fn is not called. A
// panic of fn is reported like the failure of a call that nobody has awaited.
func (p *Pool) Go(ctx context.Context, fn func(ctx context.Context)) error {
	if p.cfg.Listener != nil {
		return p.goCall(ctx, fn)
	}
	if ctx.Err() == nil && p.isBusy() && p.push(entry{fn: fn, ctx: ctx}) {
		return nil
	}
	t := submission{pool: p, entry: entry{fn: fn, ctx: ctx}, ctx: ctx}
	if err := t.arrive(); err != nil {
		return &engine.NotStartedError{Err: err}
	}
	return nil
}

// goCall is Go for a pool to which somebody listens, who is told of each call.
func (p *Pool) goCall(ctx context.Context, fn func(context.Context)) error {
	f := &function{pool: p, fn: fn}
	f.call.Init(engine.Spec{}, f)
	p.Start(f.call.Derive(ctx), &f.call)
	if f.admitted.Store(true); f.refusal.Load() != nil {
		return *f.refusal.Load()
	}
	return nil
}

// A function is a call of a function that nobody waits for.
type function struct {
	call     engine.Call
	pool     *Pool
	fn       func(context.Context)
	admitted atomic.Bool
	refusal  atomic.Pointer[error]
}

// Run implements [engine.Body].
func (f *function) Run(ctx context.Context) error {
	f.fn(ctx)
	return nil
}

// Done implements [engine.Body].
func (f *function) Done(err error) {
	f.call.Retire(&context.Canceled)
	if err == nil {
		return
	}
	if !f.admitted.Load() && errors.Is(err, engine.ErrNotStarted) {
		f.refusal.Store(&err)
		return // Go returns it
	}
	if !engine.Cancelled(err) {
		f.pool.unobserved(err)
	}
}

// unobserved reports the failure of a function that nobody waits for.
func (p *Pool) unobserved(err error) {
	if l := p.cfg.Listener; l != nil && l.Unobserved != nil {
		l.Unobserved(engine.Event{At: time.Since(engine.Epoch()), Engine: p.cfg.Name, Err: err})
		return
	}
	slog.Default().Error("a function failed that nobody waits for", "pool", p.cfg.Name, "error", err)
}

// A loose is what functions on one worker have instead of a call: the context, made for
// one parent and kept for the next function that has the same.
type loose struct {
	ctx    cancel.Context
	parent context.Context
	worker *worker
	self   atomic.Pointer[strand.Strand]
	note   atomic.Uint32 // as in a call; it never ends
}

// looseFor returns the worker's loose for a parent.
func (w *worker) looseFor(parent context.Context) *loose {
	if l := w.loose; l != nil && l.parent == parent {
		return l
	}
	return w.newLoose(parent)
}

func (w *worker) newLoose(parent context.Context) *loose {
	w.dropLoose()
	l := &loose{parent: parent, worker: w}
	l.ctx.Init(parent, l)
	l.ctx.EndWith(&w.pool.life)
	// Contexts of a type that cannot be compared would make the comparison above panic.
	if t := reflect.TypeOf(parent); t.Kind() == reflect.Pointer || parent == context.Background() {
		w.loose = l
	}
	return l
}

// dropLoose ends the context that was kept for the next function, with what watches it in
// its parent. It is not called under Pool.mu: calls may end with it.
func (w *worker) dropLoose() {
	if l := w.loose; l != nil {
		w.loose = nil
		l.ctx.Retire(&context.Canceled)
	}
}

// runFunctions runs e, which is a function, and further ones until there is a call to run
// or nothing. It returns what next returned last.
func (w *worker) runFunctions(e entry) (next entry, ok bool) {
	var l *loose
	returned := true
	// One for all of them, until one panics: a deferred call for each would cost as
	// much as everything else.
	defer func() {
		if returned {
			return
		}
		v := recover()
		if v != nil && w.pool.cfg.Crash {
			panic(v)
		}
		w.endFunction(l)
		err := engine.ErrGoexit
		if v != nil {
			err = &engine.PanicError{Value: v, Stack: debug.Stack()}
		}
		w.pool.unobserved(&engine.TaskError{Engine: w.pool.cfg.Name, Worker: w.id, Attempt: 1, Err: err})
		if v != nil {
			next, ok = w.next()
		}
	}()
	for {
		if e.ctx.Err() != nil {
			w.dropped()
		} else {
			l = w.looseFor(e.ctx)
			returned = false
			e.fn(&l.ctx)
			for fn := w.alike(l); fn != nil; fn = w.alike(l) {
				fn(&l.ctx)
			}
			returned = true
			w.endFunction(l)
		}
		e, ok = w.next()
		if !ok || e.call != nil {
			return e, ok
		}
		if w.searching {
			w.found()
		}
	}
}

// alike takes the next entry if it can be run with l just as the last one, and nothing
// else is to be seen to before; if not, it returns nil. It is the short cut through next
// for what pools are given most: many functions with one context.
func (w *worker) alike(l *loose) func(context.Context) {
	if l != w.loose || l.self.Load() != nil || w.slotless || w.local == nil || !w.local.spawned.Empty() ||
		w.ticks+1 >= fairness || w.pool.flags.Load()&^flagShut != 0 {
		return nil
	}
	e := w.local.batch.peek()
	if e == nil || e.call != nil || e.ctx != l.parent || e.ctx.Err() != nil || !w.local.batch.skip(e) {
		return nil
	}
	w.ticks++
	return e.fn
}

func (w *worker) endFunction(l *loose) {
	if l.self.Load() != nil {
		l.self.Swap(nil).End()
	}
	if l != w.loose {
		l.ctx.Retire(&context.Canceled) // nobody else gets it
	}
	w.spent = w.pool.exact
}

// dropped counts a function that is not run because its context is done.
func (w *worker) dropped() {
	p := w.pool
	p.mu.Lock()
	p.refused++
	p.mu.Unlock()
	w.spent = p.exact
}

// Value implements [cancel.Values]: it gives the strand its parker.
func (l *loose) Value(key any) any {
	if _, ok := key.(strand.ParkerKey); ok {
		return l
	}
	return nil
}

// Park implements [strand.Parker]. Only the function itself lends the slot: it is not
// marked when it ends, so a goroutine that it has left behind would do so in the name of
// the next one.
func (l *loose) Park(ctx context.Context, op strand.Op, wt strand.Waitable) error {
	if !l.worker.isCaller() && goroutine.Current() != 0 {
		return strand.Goroutine{}.Park(ctx, op, wt)
	}
	return l.worker.park(ctx, nil, &l.note, op, wt)
}

// Place implements [engine.Seat].
func (l *loose) Place() engine.Place { return l.worker }

// Join implements [engine.Joiner].
func (l *loose) Join(ctx context.Context, c *engine.Call) {
	if c.EndsWith(ctx) {
		l.worker.Join(ctx, nil, c)
	}
}

// JoinAll implements [engine.Joiner].
func (l *loose) JoinAll(ctx context.Context, f engine.Family) { l.worker.JoinAll(ctx, nil, f) }

// Sleep implements [strand.Parker], and so do the others.
func (l *loose) Sleep(ctx context.Context, d time.Duration) error {
	return strand.Goroutine{}.Sleep(ctx, d)
}

// Yield implements [strand.Parker].
func (l *loose) Yield(ctx context.Context) { strand.Goroutine{}.Yield(ctx) }

// Parallel implements [strand.Parallel].
func (l *loose) Parallel() { strand.Goroutine{}.Parallel() }

// Now implements [strand.Parker].
func (l *loose) Now() time.Time { return time.Now() }

// Self implements [strand.Parker].
func (l *loose) Self() *strand.Strand {
	for {
		if self := l.self.Load(); self != nil {
			return self
		}
		l.self.CompareAndSwap(nil, new(strand.Strand))
	}
}
