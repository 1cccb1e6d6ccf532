package strand

import (
	"context"
	"runtime"
	"sync"
	"time"

	engctx "github.com/go-braid/braid/internal/cancel"
)

// A Waitable is one wait of one strand for one object. The objects of this
// package make them; so does anybody who builds an object of their own on
// [Park].
//
// Wake-ups and cancels race, and a Waitable decides who wins. It must keep two
// promises, both under the lock of its object:
//
//   - after Arm has returned true, either wake is called exactly once, or
//     Disarm returns true and wake is never called;
//   - what the waiter waits for is given to it before wake is called, and is
//     not given to it when Disarm returns true.
type Waitable interface {
	// Arm registers the waiter. It returns false when there is nothing to wait
	// for, or nothing any more; then wake must never be called. Wake may be
	// called from any goroutine, even before Arm returns, and does not block;
	// it is best called after the object's lock is released.
	Arm(wake func()) bool

	// Disarm withdraws the waiter, whose context is done, and reports whether
	// it was still waiting. False means that wake has been called or is about
	// to be.
	Disarm() bool
}

// A Parker knows how strands of one kind stop and go on. Each engine brings its
// own; [Goroutine] is the one for plain goroutines.
//
// A Parker is called on the strand that it parks.
type Parker interface {
	// Park publishes op, arms w and suspends the strand until w wakes it
	// (the result is nil) or ctx is done and w could be disarmed (the result is
	// Err(ctx)). If ctx is done from the start, w is not armed.
	Park(ctx context.Context, op Op, w Waitable) error

	// Sleep suspends the strand for d, which is positive, on the Parker's
	// clock. It returns Err(ctx) if ctx is done first.
	Sleep(ctx context.Context, d time.Duration) error

	// Yield lets other strands run.
	Yield(ctx context.Context)

	// Now is the time on the clock that Sleep uses.
	Now() time.Time

	// Self returns the identity of the strand, or nil if it has none.
	Self() *Strand
}

// Parallel is implemented by a [Parker] whose strands are goroutines, which run at the
// same time as others and have to be woken up by the scheduler of Go: [Goroutine], and
// what embeds it. A [Mutex] that they wait for lets others overtake them meanwhile. It
// serves the strands of other Parkers strictly in the order of their arrival.
type Parallel interface {
	// Parallel does nothing.
	Parallel()
}

// parallel reports whether the strand of ctx is a goroutine.
func parallel(ctx context.Context) bool {
	_, ok := ParkerOf(ctx).(Parallel)
	return ok
}

// ParkerKey is the key under which a context holds the [Parker] of its strand.
// It is for engines whose contexts are types of their own; others use
// [WithParker].
type ParkerKey struct{}

// WithParker returns a context whose strand is parked by p. Engines call it
// when they start a strand; programs have no need to.
func WithParker(ctx context.Context, p Parker) context.Context {
	return context.WithValue(ctx, ParkerKey{}, p)
}

// Detach returns a copy of ctx for a goroutine that is started with a bare go
// statement from within a strand: it keeps the values, the deadline and the
// cancelling of ctx, but parks the new goroutine, not the strand that started
// it. Functions of braid that start strands do this themselves.
func Detach(ctx context.Context) context.Context {
	if ctx.Value(ParkerKey{}) == nil {
		return ctx
	}
	return WithParker(ctx, Goroutine{})
}

// ParkerOf returns the parker of the strand that ctx belongs to: [Goroutine]
// when ctx carries none.
func ParkerOf(ctx context.Context) Parker {
	if p, ok := ctx.Value(ParkerKey{}).(Parker); ok {
		return p
	}
	return Goroutine{}
}

// Park suspends the calling strand until w wakes it or ctx is done, and
// returns nil or Err(ctx) in turn. It is the primitive under everything in this
// package that waits; op says what the strand is about to wait for. A nil
// result says that w's promise was kept, even if ctx is done as well.
//
// The idea of one suspend primitive that takes a function to abort the wait is
// that of trio's wait_task_rescheduled.
func Park(ctx context.Context, op Op, w Waitable) error {
	return ParkerOf(ctx).Park(ctx, op, w)
}

// Sleep suspends the calling strand for at least d, by its engine's clock. It
// returns early with Err(ctx) when ctx is done. With d ≤ 0 it is [Yield].
func Sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return Yield(ctx)
	}
	return ParkerOf(ctx).Sleep(ctx, d)
}

// Yield lets other strands run and then goes on. It returns Err(ctx) when ctx
// is done, so that a loop of computations can ask from time to time whether it
// is still wanted.
func Yield(ctx context.Context) error {
	if ctx.Err() != nil {
		return Err(ctx)
	}
	ParkerOf(ctx).Yield(ctx)
	return nil
}

// Now returns the time on the clock of the calling strand's engine: the one
// that its sleeps and deadlines follow.
func Now(ctx context.Context) time.Time {
	return ParkerOf(ctx).Now()
}

// Goroutine is the [Parker] of strands that are plain goroutines: it blocks
// them. Its clock is that of package time. The zero value is ready to use, and
// any number of strands may share it.
type Goroutine struct{}

// Park implements [Parker]. It allocates nothing if ctx cannot be cancelled, or is one
// that an engine made.
func (Goroutine) Park(ctx context.Context, _ Op, w Waitable) error {
	done, ours := (<-chan struct{})(nil), false
	if _, ours = ctx.(*engctx.Context); !ours {
		done = ctx.Done()
	}
	if done == nil {
		return park(ctx, ours, w)
	}
	if ctx.Err() != nil {
		return Err(ctx)
	}
	// A channel for each wait: it must not cross from one testing/synctest bubble to
	// another, so that none can be kept for reuse.
	woken := make(chan struct{})
	if !w.Arm(func() { close(woken) }) {
		return nil
	}
	select {
	case <-woken:
		return nil
	case <-done:
		if w.Disarm() {
			return Err(ctx)
		}
		<-woken
		return nil
	}
}

// park is Park in a bed, for a context that cannot be cancelled or, if watch is true,
// one that can be watched.
func park(ctx context.Context, watch bool, w Waitable) error {
	if watch && ctx.Err() != nil {
		return Err(ctx)
	}
	b := beds.Get().(*bed)
	defer beds.Put(b)
	if !w.Arm(b.wake) {
		return nil
	}
	if !watch {
		b.lie(wokenUp)
		b.news = 0
		return nil
	}
	b.watch.Start(ctx, b)
	news := b.lie(wokenUp | ctxEnded)
	if !b.watch.Stop() {
		b.lie(ctxEnded) // who tells of it has still to do with b
	}
	withdrawn := news&wokenUp == 0 && w.Disarm()
	if !withdrawn {
		b.lie(wokenUp)
	}
	b.news = 0
	if withdrawn {
		return Err(ctx)
	}
	return nil
}

// A bed is where a goroutine waits. Unlike a channel, a sync.Cond belongs to no bubble
// of testing/synctest, so that a bed can be used again anywhere.
type bed struct {
	mu    sync.Mutex
	cond  sync.Cond
	news  int    // under mu
	wake  func() // made once
	watch engctx.Watch
}

// The news that a bed's goroutine waits for.
const (
	wokenUp = 1 << iota
	ctxEnded
)

var beds = sync.Pool{New: func() any {
	b := new(bed)
	b.cond.L = &b.mu
	b.wake = func() { b.tell(wokenUp) }
	return b
}}

// lie waits until there is one of the news, and returns all that there are.
func (b *bed) lie(until int) (news int) {
	b.mu.Lock()
	for b.news&until == 0 {
		b.cond.Wait()
	}
	news = b.news
	b.mu.Unlock()
	return news
}

// tell signals under mu: after it, the bed may be somebody else's already.
func (b *bed) tell(news int) {
	b.mu.Lock()
	b.news |= news
	b.cond.Signal()
	b.mu.Unlock()
}

// Ended implements [engctx.Watcher].
func (b *bed) Ended() { b.tell(ctxEnded) }

// Sleep implements [Parker].
func (Goroutine) Sleep(ctx context.Context, d time.Duration) error {
	done := ctx.Done()
	if done == nil {
		time.Sleep(d)
		return nil
	}
	if ctx.Err() != nil {
		return Err(ctx)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-done:
		return Err(ctx)
	}
}

// Yield implements [Parker] with runtime.Gosched.
func (Goroutine) Yield(context.Context) { runtime.Gosched() }

// Now implements [Parker]. The monotonic reading is that of time.Now; the wall clock may be
// a second behind when somebody sets it.
func (Goroutine) Now() time.Time { return now() }

// Parallel implements [Parallel].
func (Goroutine) Parallel() {}

// Self implements [Parker]: it returns nil. See [Enter].
func (Goroutine) Self() *Strand { return nil }
