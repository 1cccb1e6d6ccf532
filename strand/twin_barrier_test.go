package strand

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// Condition

type conditionSubject struct{ Condition }

func (s *conditionSubject) wait(int) Waitable {
	s.own.TryLock() // Arm unlocks it
	return &conditionWaiter{c: &s.Condition}
}
func (s *conditionSubject) outcome(w Waitable) string {
	if w.(*conditionWaiter).single {
		return "notified alone"
	}
	return served
}
func (s *conditionSubject) state() any { return s.Statistics() }
func (s *conditionSubject) act(name string) string {
	if !s.own.TryLock() {
		return "the lock is held"
	}
	defer s.own.Unlock()
	switch name {
	case "notify 1":
		s.Notify(1)
	case "notify 2":
		s.Notify(2)
	case "notify all":
		s.NotifyAll()
	}
	return ""
}

type conditionTwin struct{ line }

func (c *conditionTwin) arm(int)      { c.come(waits) }
func (c *conditionTwin) cancel(i int) { c.leave(i) }
func (c *conditionTwin) act(name string) string {
	n, outcome := len(c.queue), "notified alone"
	switch name {
	case "notify 1":
		n = min(n, 1)
	case "notify 2":
		n = min(n, 2)
	default:
		outcome = served
	}
	for range n {
		c.serve(outcome)
	}
	return ""
}
func (c *conditionTwin) state() any { return ConditionStatistics{Waiting: len(c.queue)} }

func conditionPlay() *play { return &play{subject: &conditionSubject{}, twin: &conditionTwin{}} }

func TestConditionEveryOrder(t *testing.T) {
	everyOrder(t, conditionPlay, arm("a", 0), arm("b", 0), arm("c", 0),
		cancel("a"), cancel("b"), act("notify 1"), act("notify 2"))
}

func TestConditionModel(t *testing.T) {
	anyRun(t, func(*rapid.T) *play { return conditionPlay() }, []int{0}, "notify 1", "notify 2", "notify all")
}

// Barrier

type barrierSubject struct{ *Barrier }

// gone is the context of all waits: it is asked for its error when a wait is
// withdrawn.
var gone = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

func (s barrierSubject) wait(int) Waitable { return &barrierWaiter{b: s.Barrier, ctx: gone} }
func (s barrierSubject) outcome(w Waitable) string {
	switch w := w.(*barrierWaiter); {
	case w.late:
		return "again"
	case w.leads:
		return fmt.Sprintf("leads, index %d", w.index)
	case errors.Is(w.err, ErrBarrierBroken):
		return broken
	case w.err != nil:
		return w.err.Error()
	default:
		return fmt.Sprintf("index %d", w.index)
	}
}
func (s barrierSubject) state() any { return s.Statistics() }
func (s barrierSubject) act(name string) string {
	switch name {
	case "abort":
		s.Abort()
	case "reset":
		s.Reset()
	case "return", "fail":
		if s.leader == nil {
			return "no leader"
		}
		var failure error
		if name == "fail" {
			failure = errors.New("failed")
		}
		if err := s.end(s.leader, failure); err != nil {
			return broken
		}
	}
	return ""
}

type barrierTwin struct {
	line  // the queue has the strands of the round but the last
	late  line
	index map[int]string // outcomes, if all goes well
	n     int
	leads bool
	fails bool // for the leader: aborted or reset
	trips uint64
	bad   bool
}

func (b *barrierTwin) arm(int) {
	i := len(b.out)
	switch {
	case b.bad:
		b.come(broken)
	case b.leads:
		b.out = append(b.out, waits)
		b.late.queue = append(b.late.queue, i)
	case len(b.queue) == b.n-1:
		b.come(fmt.Sprintf("leads, index %d", b.n-1))
		b.leads, b.fails = true, false
	default:
		b.index[i] = fmt.Sprintf("index %d", len(b.queue))
		b.come(waits)
	}
}
func (b *barrierTwin) cancel(i int) {
	b.late.out = b.out // they share the outcomes
	if !b.late.leave(i) && b.leave(i) {
		b.smash()
	}
}
func (b *barrierTwin) smash() {
	b.bad = true
	b.fail()
	b.again()
}
func (b *barrierTwin) fail() {
	b.fails = true
	for len(b.queue) > 0 {
		b.serve(broken)
	}
}
func (b *barrierTwin) again() {
	b.late.out = b.out
	for len(b.late.queue) > 0 {
		b.late.serve("again")
	}
}
func (b *barrierTwin) act(name string) string {
	switch {
	case name == "abort":
		if !b.bad {
			b.smash()
		}
	case name == "reset":
		b.bad = false
		b.fail()
	case !b.leads:
		return "no leader"
	default:
		b.leads = false
		b.again()
		if name == "fail" && !b.fails {
			b.smash()
		}
		if b.fails {
			return broken
		}
		for len(b.queue) > 0 {
			b.serve(b.index[b.queue[0]])
		}
		b.trips++
	}
	return ""
}
func (b *barrierTwin) state() any {
	return BarrierStatistics{
		Parties: b.n, Waiting: len(b.queue), Late: len(b.late.queue), Rounds: b.trips, Broken: b.bad,
	}
}

func barrierPlay(n int) *play {
	return &play{subject: barrierSubject{NewBarrier(n, nil)}, twin: &barrierTwin{n: n, index: make(map[int]string)}}
}

func TestBarrierEveryOrder(t *testing.T) {
	for n := 1; n <= 3; n++ {
		open := func() *play { return barrierPlay(n) }
		everyOrder(t, open, arm("a", 0), arm("b", 0), arm("c", 0), arm("d", 0), act("return"), cancel("b"), act("reset"))
		everyOrder(t, open, arm("a", 0), arm("b", 0), arm("c", 0), act("abort"), act("return"), act("reset"), act("fail"))
	}
}

func TestBarrierModel(t *testing.T) {
	anyRun(t, func(t *rapid.T) *play { return barrierPlay(rapid.IntRange(1, 4).Draw(t, "parties")) },
		[]int{0}, "return", "return", "fail", "abort", "reset")
}
