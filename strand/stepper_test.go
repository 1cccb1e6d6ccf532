package strand_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/go-braid/braid/strand"
)

// The machine of this file runs a script, which is a few strands that use an
// object, in every order that a bound allows, and cancels strands at every point.
// The strands are coroutines, so that nothing happens at the same time, and each
// run can be repeated: a run is a list of choices. It parks strands as an engine
// does, and checks that the Waitables keep their promise.

// A script is made anew for each run.
type script struct {
	bodies []func(ctx context.Context)
	// settled is called when no strand can go on, with the number of those that
	// wait: is it right that they do? Nil means that nobody must wait.
	settled func(waiting int) error
	// books is called when all strands have ended, those that waited by being
	// cancelled: is everything accounted for, and the object as good as new?
	books func() error
}

// A bound says how much is tried.
type bound struct {
	cancels  int // strands that are cancelled
	switches int // times that a strand which could go on has to stand back
}

// A stepper is one run of a script.
type stepper struct {
	script  script
	left    bound
	actors  []*actorStrand
	current *actorStrand // the one that runs, or ran last
	now     time.Time
	fault   error
	trace   []string

	choices []choice // those taken so far
	replay  []choice // those to be taken first
}

// A choice is one of several ways to go on.
type choice struct{ taken, of int }

// errGone unwinds a strand whose run is given up.
var errGone = errors.New("the run is given up")

const maxSteps = 2000

// explore runs the scripts that open makes in every way within b, up to the first
// that goes wrong, which it returns. It returns how many runs there were.
func explore(b bound, open func(fail func(string, ...any)) script) (runs int, wrong *stepper) {
	var replay []choice
	for {
		st := &stepper{left: b, replay: replay, now: time.Unix(0, 0)}
		st.script = open(st.fail)
		st.run()
		runs++
		if st.fault != nil {
			return runs, st
		}
		replay = st.choices
		for len(replay) > 0 {
			last := &replay[len(replay)-1]
			if last.taken++; last.taken < last.of {
				break
			}
			replay = replay[:len(replay)-1]
		}
		if len(replay) == 0 {
			return runs, nil
		}
	}
}

// report says what went wrong, and how it came to it.
func (st *stepper) report() string {
	return fmt.Sprintf("%v\nafter:\n\t%s", st.fault, strings.Join(st.trace, "\n\t"))
}

// choose returns a number below n. The first way to go on is always 0.
func (st *stepper) choose(n int) int {
	if n == 1 {
		return 0
	}
	c := choice{of: n}
	if i := len(st.choices); i < len(st.replay) {
		c = st.replay[i]
		if c.of != n {
			panic(fmt.Sprintf("choice %d is between %d ways and was between %d: the script is not deterministic", i, n, c.of))
		}
	}
	st.choices = append(st.choices, c)
	return c.taken
}

func (st *stepper) fail(format string, args ...any) {
	if st.fault == nil {
		st.fault = fmt.Errorf(format, args...)
	}
}

func (st *stepper) note(format string, args ...any) {
	st.trace = append(st.trace, fmt.Sprintf(format, args...))
}

func (st *stepper) run() {
	for i, body := range st.script.bodies {
		st.actors = append(st.actors, st.newActor(string(rune('a'+i)), body))
	}
	defer func() {
		for _, a := range st.actors {
			a.stop()
		}
	}()
	st.current = st.actors[0]
	st.play()
	waiting := 0
	for _, a := range st.actors {
		if a.state != ended {
			waiting++
		}
	}
	if st.fault == nil {
		if st.script.settled == nil && waiting > 0 {
			st.fail("%d strands wait, and nobody will wake them", waiting)
		} else if st.script.settled != nil {
			st.check("while strands wait", st.script.settled(waiting))
		}
	}
	// Everybody goes home. No choices are left but the order.
	st.left = bound{}
	for _, a := range st.actors {
		if a.state != ended {
			st.cancel(a, false)
		}
	}
	st.play()
	for _, a := range st.actors {
		if st.fault == nil && a.state != ended {
			st.fail("%s does not end although it is cancelled: it waits to %v", a.name, a.op)
		}
	}
	if st.fault == nil {
		st.check("at the end", st.script.books())
	}
}

func (st *stepper) check(when string, err error) {
	if err != nil {
		st.fail("%s: %w", when, err)
	}
}

// play lets strands run, and cancels some, until nobody can go on.
func (st *stepper) play() {
	for step := 0; st.fault == nil; step++ {
		if step == maxSteps {
			st.fail("no end after %d steps", maxSteps)
			return
		}
		ways := st.ways()
		if len(ways) == 0 {
			if !st.passTime() {
				return
			}
			continue
		}
		ways[st.choose(len(ways))]()
	}
}

// ways returns what can happen next.
func (st *stepper) ways() (ways []func()) {
	stay := st.current.canGo()
	if stay {
		ways = append(ways, st.current.step)
	}
	for _, a := range st.actors {
		if a != st.current && a.canGo() && (!stay || st.left.switches > 0) {
			ways = append(ways, func() {
				if stay {
					st.left.switches--
				}
				st.current = a
				a.step()
			})
		}
	}
	running := len(ways) > 0
	ways = append(ways, st.cancels()...)
	if !running && len(ways) > 0 {
		// It is also possible that nobody is cancelled now.
		ways = append([]func(){func() { st.passTimeOr(func() { st.left.cancels = 0 }) }}, ways...)
	}
	return ways
}

// cancels returns the ways to cancel a strand.
func (st *stepper) cancels() (ways []func()) {
	if st.left.cancels == 0 {
		return nil
	}
	for _, a := range st.actors {
		if a.state == ended || a.ctx.Err() != nil {
			continue
		}
		ways = append(ways, func() { st.left.cancels--; st.cancel(a, false) })
		if a.state == parked {
			ways = append(ways, func() { st.left.cancels--; st.cancel(a, true) })
		}
	}
	return ways
}

// cancel cancels a. If withdraw is true, the waiter is disarmed at once, as by an
// engine that watches contexts; else when the strand's turn comes.
func (st *stepper) cancel(a *actorStrand, withdraw bool) {
	st.note("cancel %s%s", a.name, map[bool]string{true: " and disarm"}[withdraw])
	a.cancel()
	if withdraw && a.state == parked && a.parkCtx.Err() != nil {
		a.disarm()
	}
}

// passTime moves the clock to the next sleeper's end, if there is one.
func (st *stepper) passTime() bool {
	var next time.Time
	for _, a := range st.actors {
		if a.state == asleep && (next.IsZero() || a.until.Before(next)) {
			next = a.until
		}
	}
	if next.IsZero() {
		return false
	}
	st.now = next
	st.note("it is %v", next.Sub(time.Unix(0, 0)))
	return true
}

func (st *stepper) passTimeOr(otherwise func()) {
	if !st.passTime() {
		otherwise()
	}
}

// An actorStrand is a strand of a script, and its parker.
type actorStrand struct {
	st     *stepper
	name   string
	self   strand.Strand
	ctx    context.Context
	cancel context.CancelFunc
	resume func() (struct{}, bool)
	stop   func()
	yield  func(struct{}) bool
	state  actorState
	until  time.Time // asleep

	// Of the wait, when parked.
	op        strand.Op
	waitable  strand.Waitable
	parkCtx   context.Context // what can cut it short, also a sleep
	wakes     int
	withdrawn bool // Disarm returned true
	tooLate   bool // Disarm returned false
}

type actorState int

const (
	ready actorState = iota
	parked
	asleep
	ended
)

func (st *stepper) newActor(name string, body func(ctx context.Context)) *actorStrand {
	a := &actorStrand{st: st, name: name}
	ctx, cancel := context.WithCancel(bg)
	a.ctx, a.cancel = strand.WithParker(ctx, a), cancel
	a.resume, a.stop = iter.Pull(func(yield func(struct{}) bool) {
		defer func() {
			a.state = ended
			cancel()
			a.self.End()
			if v := recover(); v != nil && v != errGone {
				st.fail("%s panics: %v", name, v)
			}
		}()
		a.yield = yield
		body(a.ctx)
	})
	return a
}

func (a *actorStrand) canGo() bool {
	switch a.state {
	case ready:
		return true
	case parked:
		return a.wakes > 0 || a.withdrawn || a.parkCtx.Err() != nil && !a.tooLate
	case asleep:
		return !a.st.now.Before(a.until) || a.parkCtx.Err() != nil
	}
	return false
}

func (a *actorStrand) step() {
	a.st.note("%s goes on", a.name)
	a.resume()
	if a.state == ended {
		a.st.note("%s ends", a.name)
	}
}

// pause hands control to the stepper.
func (a *actorStrand) pause(state actorState) {
	a.state = state
	if !a.yield(struct{}{}) {
		panic(errGone)
	}
	a.state = ready
}

// disarm withdraws the wait of a, which is parked and cancelled, unless it is too
// late: then somebody has called wake, or is about to.
func (a *actorStrand) disarm() {
	a.withdrawn = a.waitable.Disarm()
	a.tooLate = !a.withdrawn
	if a.withdrawn && a.wakes > 0 {
		a.st.fail("%s, %v: Disarm returned true, but wake was called", a.name, a.op)
	}
}

// Park implements [strand.Parker].
func (a *actorStrand) Park(ctx context.Context, op strand.Op, w strand.Waitable) error {
	a.st.note("%s: about to %v", a.name, op.Kind)
	a.pause(ready)
	if ctx.Err() != nil {
		return strand.Err(ctx)
	}
	a.op, a.waitable, a.parkCtx = op, w, ctx
	a.wakes, a.withdrawn, a.tooLate = 0, false, false
	over := false
	armed := w.Arm(func() {
		a.wakes++
		if a.wakes > 1 || a.withdrawn || over {
			a.st.fail("%s, %v: wake was called %d times; withdrawn %v, gone on %v", a.name, op, a.wakes, a.withdrawn, over)
		}
		a.st.note("wake %s", a.name)
		// The strand that wakes may have more to wake: a cancel now meets it
		// in the middle.
		if ways := a.st.cancels(); len(ways) > 0 {
			if i := a.st.choose(1 + len(ways)); i > 0 {
				ways[i-1]()
			}
		}
	})
	defer func() { over = true }()
	if !armed {
		if a.wakes > 0 {
			a.st.fail("%s, %v: wake was called, but Arm returned false", a.name, op)
		}
		return nil
	}
	a.st.note("%s: parked", a.name)
	a.pause(parked)
	if a.wakes == 0 && !a.withdrawn {
		a.disarm()
		if a.tooLate {
			a.pause(parked) // nobody is in the middle of a wake-up now, so it is lost
		}
	}
	if a.withdrawn {
		return strand.Err(ctx)
	}
	return nil
}

// Sleep implements [strand.Parker].
func (a *actorStrand) Sleep(ctx context.Context, d time.Duration) error {
	a.until, a.parkCtx = a.st.now.Add(d), ctx
	a.st.note("%s: sleeps %v", a.name, d)
	a.pause(asleep)
	if a.st.now.Before(a.until) {
		return strand.Err(ctx)
	}
	return nil
}

// Yield implements [strand.Parker].
func (a *actorStrand) Yield(context.Context) { a.pause(ready) }

// Now implements [strand.Parker].
func (a *actorStrand) Now() time.Time { return a.st.now }

// Self implements [strand.Parker].
func (a *actorStrand) Self() *strand.Strand { return &a.self }
