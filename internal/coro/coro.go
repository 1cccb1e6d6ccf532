// Package coro provides coroutines that hand control straight to one another.
//
// A coroutine here is a goroutine that runs only while all others of its set
// stand still: [Coro.Switch] stops the caller and lets the other one go on, on
// the same thread and without Go's scheduler.
//
// The only door to the runtime's coroutine switch that is open to everybody is
// iter.Pull, whose next and yield each swap the running goroutine with the one
// that rests in the place between them. Nothing demands that it be the same pair
// all the time: a coroutine that is stopped rests in the place of the one that it
// has let run. So to go from one to another takes one swap, where the way back
// over a common loop would take two. In return, on each place next and yield must
// be called in turn, whoever calls them; and a goroutine that ends lets run the
// one that rests in the place it was made with, whoever that is. [Coro.Exit] sees
// to the latter.
//
// The idea of coroutines on top of Go's goroutines is described in Russ Cox,
// “Coroutines for Go” (research.swtch.com/coro).
package coro

import (
	"iter"
	"sync"
)

// A Set is a number of coroutines of which one runs at a time.
type Set struct {
	ending sync.WaitGroup // goroutines that see a coroutine to its end
}

// A Body is what a coroutine runs.
type Body interface {
	// RunCoro must not panic. It must call Exit and then return at once, or end its
	// goroutine after Exit if it is doing that anyway; nothing else ends a
	// coroutine.
	RunCoro()
}

// Wait waits until the goroutines of all coroutines that have called Exit are
// gone. It is called when no coroutine of the set will run any more.
func (s *Set) Wait() { s.ending.Wait() }

// A Coro is a coroutine, or the goroutine that joins the set by [Set.Root]. It must
// not be copied.
type Coro struct {
	set  *Set
	at   *place // where it rests, or rested last
	home place  // the place that it was made with; unused for the root

	// Left by the coroutine whose exit let this one run.
	exiting *Coro // see it to its end
	goexit  bool  // which is by runtime.Goexit
	then    *Coro // then let this one run; nil: the exit was for us
}

// A place is what one iter.Pull makes.
type place struct {
	next  func() (struct{}, bool)
	yield func(struct{}) bool
	turn  bool // next was called last
	rests *Coro
}

// Root makes the zero Coro c stand for the calling goroutine, the first of the set,
// which runs. There is one root in a set.
func (s *Set) Root(c *Coro) { c.set = s }

// Init makes the zero Coro c a coroutine that rests, and runs b when it is first
// switched to. It is called by the coroutine that runs.
func (s *Set) Init(c *Coro, b Body) {
	c.set = s
	c.at = &c.home
	c.home.rests = c
	c.home.next, _ = iter.Pull(func(yield func(struct{}) bool) {
		c.home.yield = yield
		b.RunCoro()
	})
}

// Switch stops c, which calls it, and lets to, another one, go on. It returns when c
// is switched to.
//
// It is short on purpose. A goroutine begins with some thousand bytes of stack for
// all that it calls, and with many coroutines each frame is one more piece of memory
// to fetch.
func (c *Coro) Switch(to *Coro) {
	p := to.at
	p.rests, c.at = c, p
	p.turn = !p.turn
	if p.turn {
		p.next()
	} else {
		p.yield(struct{}{})
	}
	if c.exiting != nil {
		c.afterExit()
	}
}

// afterExit is what c does when it runs because another one has exited: it sees that
// to its end, and lets run the one that it meant.
func (c *Coro) afterExit() {
	for c.exiting != nil {
		e, to, goexit := c.exiting, c.then, c.goexit
		c.exiting, c.then = nil, nil
		e.end(goexit)
		if to != nil {
			p := to.at
			p.rests, c.at = c, p
			p.swap()
		}
	}
}

func (p *place) swap() {
	p.turn = !p.turn
	if p.turn {
		p.next()
	} else {
		p.yield(struct{}{})
	}
}

// Exit lets to go on and returns when c, which calls it, is to end. Goexit says that
// c is about to end by runtime.Goexit: whatever it does then, such as running the
// deferred functions that are left, happens at the same time as the rest of the set.
func (c *Coro) Exit(to *Coro, goexit bool) {
	other := c.home.rests
	other.exiting, other.goexit = c, goexit
	if other != to {
		other.then = to
	}
	c.at, c.home.rests = &c.home, c
	c.home.swap()
}

// end lets c, which rests at home and has called Exit, run to its end. If that is by
// runtime.Goexit, iter.Pull passes it on to whoever let c run; therefore it is done on
// a goroutine made for it.
func (c *Coro) end(goexit bool) {
	if !goexit {
		c.home.swap()
		return
	}
	c.set.ending.Add(1)
	go func() {
		defer c.set.ending.Done()
		c.home.swap()
	}()
}
