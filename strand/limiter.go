package strand

import (
	"context"
	"fmt"
	"math"
	"math/bits"
	"sync"
	"time"

	"github.com/go-braid/braid/internal/waitq"
)

// A Limiter limits how often something happens: to so many tokens a period in the
// long run, and to a burst of so many at once. Make one with [NewLimiter].
//
// It is a token bucket, in integers, so that the rate is met exactly over any
// time. (The generic cell rate algorithm of ITU-T I.371 lets the same things
// through.) The bucket is full at first, fills at the rate, and holds a burst.
//
// It is fair: a strand that asks for many tokens is not overtaken by later ones
// that ask for few. Time is that of the strands that use it (see [Now]), so all of
// them should be of engines with the same clock.
type Limiter struct {
	mu    sync.Mutex
	burst int
	flow
	level int64     // drops in the bucket at the time below; at most burst*token
	at    time.Time // of the level
	taken uint64

	// Of the strands that wait, the first leads: it sleeps until its tokens are
	// there. The others are in the list, parked. No tokens are set aside for
	// anybody, so a waiter that is cancelled has only its place to give up.
	leading bool
	alarm   func() // ends the sleep of the leader, to look again
	waiters waitq.List[*limiterWaiter]
	wanted  int64 // tokens that the leader and the others wait for
}

// A flow is a rate in a unit in which everything is an integer, the drop: inflow
// drops come in each nanosecond, and token drops are a token.
type flow struct {
	rate          int
	per           time.Duration
	inflow, token int64
}

// NewLimiter returns a limiter that lets through rate tokens per period, evenly,
// and up to burst tokens at once when none were asked for in a while: with
// NewLimiter(100, time.Second, 5) there is a token every 10ms. It panics if one of
// the arguments is less than 1, or if the product of the burst and the period is
// beyond counting, as that of a thousand million and a minute is.
func NewLimiter(rate int, per time.Duration, burst int) *Limiter {
	if burst < 1 {
		panic(fmt.Sprintf("strand: NewLimiter: the burst is %d and must be at least 1", burst))
	}
	f := newFlow("NewLimiter", rate, per, burst)
	return &Limiter{burst: burst, flow: f, level: int64(burst) * f.token}
}

func newFlow(op string, rate int, per time.Duration, burst int) flow {
	if rate < 1 || per < 1 {
		panic(fmt.Sprintf("strand: %s: a rate of %d per %v; both must be greater than 0", op, rate, per))
	}
	d := gcd(int64(rate), int64(per))
	f := flow{rate: rate, per: per, inflow: int64(rate) / d, token: int64(per) / d}
	if most := math.MaxInt64 / f.token; int64(burst) > most {
		panic(fmt.Sprintf("strand: %s: a burst of %d is too much for a rate of %d per %v; the most is %d", op, burst, rate, per, most))
	}
	return f
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// Wait takes n tokens, waiting until they are there and all who came before are
// served. It returns, without having taken any:
//
//   - Err(ctx) if ctx is done while it waits; tokens that are there are taken
//     without a look at whether ctx is done;
//   - at once, an error that matches context.DeadlineExceeded, if the tokens would
//     come after the deadline of ctx, as things are;
//   - at once, an error if n is more than the burst, since so many are never there.
//
// It panics if n is negative.
func (l *Limiter) Wait(ctx context.Context, n int) error {
	checkTokens(n)
	now := Now(ctx)
	l.mu.Lock()
	if n > l.burst {
		l.mu.Unlock()
		return fmt.Errorf("strand: %d tokens are more than the burst of the Limiter, %d: take them in parts, or give it a larger burst", n, l.burst)
	}
	if l.tryTake(now, n) {
		l.mu.Unlock()
		return nil
	}
	wait := l.delay(l.wanted + int64(n))
	l.mu.Unlock()
	if deadline, ok := ctx.Deadline(); ok && ctx.Err() == nil && deadline.Sub(now) < wait {
		return fmt.Errorf("strand: %d tokens of the Limiter will be there in %v, but the deadline is in %v: %w",
			n, wait, deadline.Sub(now), context.DeadlineExceeded)
	}
	w := &limiterWaiter{l: l, n: n}
	if err := Park(ctx, Op{Object: l, Kind: OpAcquire, Access: Write}, w); err != nil {
		return err
	}
	if w.served {
		return nil
	}
	return l.lead(ctx, n)
}

// TryTake takes n tokens if they are there and nobody waits, and reports whether it
// did. It never waits; ctx is needed for the time. It panics if n is negative.
func (l *Limiter) TryTake(ctx context.Context, n int) bool {
	checkTokens(n)
	now := Now(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tryTake(now, n)
}

func checkTokens(n int) {
	if n < 0 {
		panic(fmt.Sprintf("strand: cannot take %d tokens", n))
	}
}

// SetRate changes the rate from now on; the tokens that are there stay. Strands
// that wait do so for as long as the new rate says, except that none is refused
// for its deadline any more. It never waits; ctx is needed for the time. It panics
// as [NewLimiter] does.
func (l *Limiter) SetRate(ctx context.Context, rate int, per time.Duration) {
	f := newFlow("SetRate", rate, per, l.burst)
	now := Now(ctx)
	l.mu.Lock()
	l.settle(now)
	hi, lo := bits.Mul64(uint64(l.level), uint64(f.token))
	level, _ := bits.Div64(hi, lo, uint64(l.token)) // at most burst*f.token
	l.flow, l.level = f, int64(level)
	alarm := l.alarm
	l.mu.Unlock()
	if alarm != nil {
		alarm()
	}
}

// LimiterStatistics is a snapshot of a [Limiter].
type LimiterStatistics struct {
	Rate    int           // tokens that come
	Per     time.Duration // in this time
	Burst   int           // the most that are there at once
	Tokens  int           // whole tokens that are there now
	Taken   uint64        // tokens taken so far
	Waiting int           // strands that wait
	Wanted  int64         // tokens that they wait for
}

// Statistics returns a snapshot of l; ctx is needed for the time.
func (l *Limiter) Statistics(ctx context.Context) LimiterStatistics {
	now := Now(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settle(now)
	waiting := l.waiters.Len()
	if l.leading {
		waiting++
	}
	return LimiterStatistics{
		Rate: l.rate, Per: l.per, Burst: l.burst,
		Tokens: int(l.level / l.token), Taken: l.taken,
		Waiting: waiting, Wanted: l.wanted,
	}
}

// settle lets in what has come until now. It needs l.mu.
func (l *Limiter) settle(now time.Time) {
	elapsed := int64(now.Sub(l.at))
	if elapsed <= 0 {
		return
	}
	l.at = now
	room := int64(l.burst)*l.token - l.level
	if elapsed > room/l.inflow {
		l.level += room
	} else {
		l.level += elapsed * l.inflow
	}
}

// take needs l.mu, and a level that is settled.
func (l *Limiter) take(n int) bool {
	if n > l.burst || l.level < int64(n)*l.token {
		return false
	}
	l.level -= int64(n) * l.token
	l.taken += uint64(n)
	return true
}

// tryTake is take for those who do not wait. It needs l.mu.
func (l *Limiter) tryTake(now time.Time, n int) bool {
	l.settle(now)
	return !l.leading && l.take(n)
}

// delay returns the time until n tokens have come, or the longest Duration if it
// is longer than that. It needs l.mu, and a level that is settled.
func (l *Limiter) delay(n int64) time.Duration {
	hi, lo := bits.Mul64(uint64(n), uint64(l.token))
	if hi == 0 && lo <= uint64(l.level) {
		return 0
	}
	lo, borrow := bits.Sub64(lo, uint64(l.level), 0)
	hi -= borrow
	if hi >= uint64(l.inflow) {
		return math.MaxInt64
	}
	d, rest := bits.Div64(hi, lo, uint64(l.inflow))
	if d >= math.MaxInt64 {
		return math.MaxInt64
	}
	if rest > 0 {
		d++
	}
	return time.Duration(d)
}

// lead sleeps until there are n tokens for the calling strand, which leads, and
// takes them.
func (l *Limiter) lead(ctx context.Context, n int) error {
	defer l.handOn(ctx, n)
	for {
		now := Now(ctx)
		l.mu.Lock()
		l.settle(now)
		if l.take(n) {
			l.mu.Unlock()
			return nil
		}
		d := l.delay(int64(n))
		alarmed, alarm := context.WithCancel(ctx)
		l.alarm = alarm
		l.mu.Unlock()

		err := Sleep(alarmed, d)
		alarm()
		if err != nil && ctx.Err() != nil {
			return Err(ctx)
		}
	}
}

// handOn ends the lead of a strand that waited for n tokens. Those behind it may
// have waited only because it, in front, asked for more than there was.
func (l *Limiter) handOn(ctx context.Context, n int) {
	now := Now(ctx)
	var few [fewWakes]func()
	wakes := few[:0]
	l.mu.Lock()
	l.settle(now)
	l.leading, l.alarm = false, nil
	l.wanted -= int64(n)
	for !l.leading && l.waiters.Len() > 0 {
		w := l.waiters.Pop().Value
		if l.take(w.n) {
			w.served = true
			l.wanted -= int64(w.n)
		} else {
			l.leading = true
		}
		wakes = append(wakes, w.wake)
	}
	l.mu.Unlock()
	wakeAll(wakes)
}

type limiterWaiter struct {
	l      *Limiter
	n      int
	served bool // else the strand leads; set before wake
	wake   func()
	node   waitq.Node[*limiterWaiter]
}

func (w *limiterWaiter) Arm(wake func()) bool {
	l := w.l
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wanted += int64(w.n)
	if !l.leading {
		l.leading = true
		return false
	}
	w.wake, w.node.Value = wake, w
	l.waiters.Push(&w.node)
	return true
}

func (w *limiterWaiter) Disarm() bool {
	w.l.mu.Lock()
	defer w.l.mu.Unlock()
	if !w.l.waiters.Remove(&w.node) {
		return false
	}
	w.l.wanted -= int64(w.n)
	return true
}
