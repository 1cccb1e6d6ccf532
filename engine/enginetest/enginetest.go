// Package enginetest holds the conformance suite of engines: what every
// implementation of [engine.Executor] has to keep, one subtest for each rule.
//
// Who writes an engine writes one test:
//
//	func TestConformance(t *testing.T) {
//		enginetest.Run(t, func(t testing.TB, c enginetest.Config) enginetest.Engine {
//			return NewPool(…)
//		}, enginetest.Caps{Bounded: true, Waits: true})
//	}
//
// The rules are grouped by the moments in the life of a call: admit, run,
// cancel, deadline, saturate, nest, close, events, leaks; and same, in which
// random programs must give the same results as on [engine.Serial]. A subtest is
// called after its rule, and when it fails it ends with the rule as a sentence.
// A rule that does not apply to what [Caps] describes has no subtest.
//
// The suite runs each rule in a bubble of package testing/synctest, with the
// engine made inside: no test waits in real time, "never" means never, and what
// hangs or leaks a goroutine is found at once and reported with its stack. For
// engines that cannot live in a bubble see [Caps].NoBubble.
package enginetest

import (
	"context"
	"testing"

	"github.com/go-braid/braid/engine"
)

// An Engine is an executor with an end. It may be a [Drainer] as well.
type Engine interface {
	engine.Executor

	// Close ends the engine and returns when every call is complete and what
	// the engine has started is gone: nil; or, if ctx is done before, an error
	// that matches ctx.Err(), and the end goes on without the caller. From its
	// beginning on Start refuses calls with ErrClosed, and so it does with
	// those that wait for room. Whether calls in the queue are run or refused,
	// and whether those that run are asked to stop, is up to the engine. Close
	// may be called any number of times, and at the same time. From inside a
	// task, which it cannot wait for, it returns when the task's context is
	// done at the latest, with whatever error.
	Close(ctx context.Context) error
}

// A Drainer is an engine that can finish its work.
type Drainer interface {
	// Drain returns when the calls that were admitted before are complete,
	// none of them refused or asked to stop for the sake of draining: nil; or,
	// if ctx is done before, an error that matches ctx.Err(). Whether the
	// engine admits calls meanwhile and afterwards is up to it; those that it
	// does not admit are refused with ErrClosed. Drain may be called like
	// Close.
	Drain(ctx context.Context) error
}

// A Config is what the suite wants of one engine. Engines without a bound heed
// the Listener alone.
type Config struct {
	// Workers is the number of calls that run at once, at least 1.
	Workers int
	// Queue is the number of calls that can wait to be run while all workers
	// are busy, at least 1; for the next call the engine is full. A task that
	// has lent its slot counts as neither.
	Queue int
	// Refuse says that Start refuses calls with ErrSaturated while the engine
	// is full; otherwise it waits. The suite asks only for what Caps say.
	Refuse bool
	// Listener is told of all events. It may be nil.
	Listener *engine.Listener
}

// Caps says what an engine can do. The zero Caps are those of an engine without
// bound that lives in this process, such as a goroutine for each call.
type Caps struct {
	// Bounded says that the engine keeps to Workers and Queue of its Config,
	// and is an engine.Sizer that tells the former.
	Bounded bool
	// Waits says that a full engine can make Start wait for room.
	Waits bool
	// Refuses says that a full engine can refuse with ErrSaturated.
	Refuses bool
	// Lends says that a bounded engine lends the slot of a task that waits for
	// another strand, so that tasks can wait for tasks on the same engine, and
	// tells its listener when tasks are parked and resumed.
	Lends bool
	// LendsAsleep says that it does so while a task sleeps, too.
	LendsAsleep bool
	// Reclaims says that a task that was parked waits for a slot before it
	// goes on, so that the bound holds for it too. An engine that lends but
	// does not reclaim runs more than Workers tasks for a while.
	Reclaims bool
	// Drains says that the engine is a Drainer.
	Drains bool
	// Serial says that Start returns when the call is complete.
	Serial bool
	// NoClosures says that the engine runs only tasks made by braid.Define,
	// since they run in another process. Few rules can be tested then.
	NoClosures bool
	// Cooperative says that the engine's tasks run in turn, each until it parks,
	// as on an event loop: one that blocks, instead of parking, holds up all.
	Cooperative bool
	// Forces says that Close ends tasks that do not listen to their context, when
	// its own is done and some time has passed.
	Forces bool
	// NoRaw says that the engine cannot bear a raw goroutine that parks with the
	// context of a task, instead of one from strand.Detach.
	NoRaw bool
	// NoBubble says that the engine cannot live in a bubble of testing/synctest,
	// since it waits for something outside, such as another process. The suite
	// then leaves out the rules that need virtual time, does not look for what
	// must never happen, and gives up on a rule that takes a minute.
	NoBubble bool
}

// A needs is a set of conditions for a rule to apply.
type needs uint

const (
	portable   needs = 1 << iota // nothing: named tasks suffice
	concurrent                   // Start does not run the call to its end
	serial                       // Start does
	virtual                      // a bubble with virtual time
	bounded                      // a bound
	waits                        // a bound, and Start waits for room
	refuses                      // a bound, and Start refuses for want of room
	nests                        // tasks can wait for tasks
	sleeps                       // others run while a task sleeps
	lends                        // a bound, and parked tasks lend their slots
	reclaims                     // a bound, and woken tasks wait for slots
	drains                       // a Drainer
	raw                          // raw goroutines may park in the name of tasks
)

// have returns the conditions that c meets.
func (c Caps) have() needs {
	var n needs
	for _, cond := range []struct {
		met  bool
		need needs
	}{
		{true, portable},
		{!c.Serial, concurrent},
		{c.Serial, serial},
		{!c.NoBubble, virtual},
		{c.Bounded, bounded},
		{c.Bounded && c.Waits, waits},
		{c.Bounded && c.Refuses, refuses},
		{!c.Bounded || c.Lends, nests},
		{!c.Bounded || c.Lends && c.LendsAsleep, sleeps},
		{c.Bounded && c.Lends, lends},
		{c.Bounded && c.Lends && c.Reclaims, reclaims},
		{c.Drains, drains},
		{!c.NoRaw, raw},
	} {
		if cond.met {
			n |= cond.need
		}
	}
	return n
}

// applies reports whether a rule with the given needs applies to c.
func (c Caps) applies(n needs) bool {
	if c.NoClosures && n&portable == 0 {
		return false
	}
	return n&^c.have() == 0
}

// A rule is one thing that engines have to keep, and the test of it.
type rule struct {
	name  string
	text  string // the rule as a sentence
	needs needs
	check func(*trial)
}

// A moment is a part of a call's life and its rules.
type moment struct {
	name  string
	rules []rule
}

var moments = []moment{
	{"admit", admitRules},
	{"run", runRules},
	{"cancel", cancelRules},
	{"deadline", deadlineRules},
	{"saturate", saturateRules},
	{"nest", nestRules},
	{"close", closeRules},
	{"events", eventRules},
	{"leaks", leakRules},
	{"same", sameRules},
}

// Run tests that the engines which open makes keep the contract. Open is called
// for each rule, once or more often, with a t that lives as long as the engine
// is needed; the suite closes the engine.
func Run(t *testing.T, open func(t testing.TB, c Config) Engine, caps Caps) {
	if caps.Bounded && !caps.Waits && !caps.Refuses {
		t.Fatal("enginetest: Caps of a bounded engine must say what it does when it is full: Waits, Refuses or both")
	}
	for _, m := range moments {
		t.Run(m.name, func(t *testing.T) {
			for _, r := range m.rules {
				if !caps.applies(r.needs) {
					continue
				}
				t.Run(r.name, func(t *testing.T) {
					try(t, r, open, caps)
				})
			}
		})
	}
}
