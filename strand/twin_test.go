package strand

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// The tests of this file drive the Waitables of each object by hand, without a
// goroutine, in step with a naive twin that says what must come of it. One driver
// takes every possible order of a few arrivals, cancels and wake-ups, the other
// long random runs.

// A subject is an object under test.
type subject interface {
	wait(arg int) Waitable     // a new wait for the object
	outcome(w Waitable) string // of a wait that is over
	act(name string) string    // does something that does not wait
	state() any                // the object's statistics
}

// A twin is what a subject should be.
type twin interface {
	arm(arg int)
	cancel(i int)
	act(name string) string
	state() any
	outcomes() []string // of the waits in the order of their arrival
}

const (
	waits     = "waits"
	withdrawn = "withdrawn"
	served    = "served"
	panics    = "panics"
)

// A play is a run of a subject and its twin.
type play struct {
	subject
	twin   twin
	actors []*actor
}

type actor struct {
	w        Waitable
	outcome  string
	wakes    int
	tooEarly bool // Disarm succeeded when the wake-up was decided
}

func (p *play) arm(arg int) {
	a := &actor{w: p.wait(arg), outcome: waits}
	p.actors = append(p.actors, a)
	p.twin.arm(arg)
	if !a.w.Arm(func() {
		a.wakes++
		// A cancel at this very moment comes too late.
		a.tooEarly = a.tooEarly || a.w.Disarm()
		a.outcome = p.outcome(a.w)
	}) {
		a.outcome = p.outcome(a.w)
		a.wakes++ // never to be woken: the check below wants one in all
	}
}

// cancel withdraws the i-th wait, unless it was over when it was armed.
func (p *play) cancel(i int) {
	a := p.actors[i]
	if a.w.Disarm() {
		if a.outcome != waits {
			a.outcome = "withdrawn after: " + a.outcome
			return
		}
		a.outcome = withdrawn
	}
	p.twin.cancel(i)
}

func (p *play) do(name string) error {
	got, want := p.act(name), p.twin.act(name)
	if got != want {
		return fmt.Errorf("%s: %q, want %q", name, got, want)
	}
	return nil
}

// check compares the two.
func (p *play) check() error {
	for i, want := range p.twin.outcomes() {
		a := p.actors[i]
		if a.outcome != want {
			return fmt.Errorf("wait %d: %s, want %s", i, a.outcome, want)
		}
		wakes := 1
		if want == waits || want == withdrawn {
			wakes = 0
		}
		if a.wakes != wakes {
			return fmt.Errorf("wait %d, which is %s: woken %d times, want %d", i, want, a.wakes, wakes)
		}
		if a.tooEarly {
			return fmt.Errorf("wait %d: Disarm returned true although wake was called", i)
		}
	}
	if got, want := p.state(), p.twin.state(); !reflect.DeepEqual(got, want) {
		return fmt.Errorf("statistics %+v, want %+v", got, want)
	}
	return nil
}

// A step is one thing that happens in a play.
type step struct {
	name string
	arm  bool
	arg  int    // arm: the wait's argument
	who  string // arm, cancel: whose wait
	act  string // neither
}

func arm(who string, arg int) step { return step{name: "arm " + who, arm: true, who: who, arg: arg} }
func cancel(who string) step       { return step{name: "cancel " + who, who: who} }
func act(name string) step         { return step{name: name, act: name} }

// everyOrder plays the steps in every order in which no wait is cancelled before
// it is armed, and returns how many there are.
func everyOrder(t *testing.T, open func() *play, steps ...step) (orders int) {
	t.Helper()
	used := make([]bool, len(steps))
	var order []step
	var extend func()
	extend = func() {
		if len(order) == len(steps) {
			orders++
			perform(t, open(), order)
			return
		}
		for i, s := range steps {
			if used[i] || s.act == "" && !s.arm && !armed(order, s.who) {
				continue
			}
			used[i] = true
			order = append(order, s)
			extend()
			order = order[:len(order)-1]
			used[i] = false
		}
	}
	extend()
	return orders
}

func armed(order []step, who string) bool {
	for _, s := range order {
		if s.arm && s.who == who {
			return true
		}
	}
	return false
}

func perform(t *testing.T, p *play, order []step) {
	t.Helper()
	index := make(map[string]int)
	for i, s := range order {
		var err error
		switch {
		case s.arm:
			index[s.who] = len(p.actors)
			p.arm(s.arg)
		case s.act == "":
			p.cancel(index[s.who])
		default:
			err = p.do(s.act)
		}
		if err == nil {
			err = p.check()
		}
		if err != nil {
			names := make([]string, 0, i+1)
			for _, s := range order[:i+1] {
				names = append(names, s.name)
			}
			t.Fatalf("after %s: %v", strings.Join(names, ", "), err)
		}
	}
}

// anyRun plays random steps, the arguments of the waits drawn from args.
func anyRun(t *testing.T, open func(*rapid.T) *play, args []int, acts ...string) {
	rapid.Check(t, func(t *rapid.T) {
		p := open(t)
		actions := map[string]func(*rapid.T){
			"arm": func(t *rapid.T) { p.arm(rapid.SampledFrom(args).Draw(t, "arg")) },
			"cancel": func(t *rapid.T) {
				if len(p.actors) == 0 {
					t.Skip("nobody has come yet")
				}
				p.cancel(rapid.IntRange(0, len(p.actors)-1).Draw(t, "wait"))
			},
			"": func(t *rapid.T) {
				if err := p.check(); err != nil {
					t.Fatal(err)
				}
			},
		}
		for _, name := range acts {
			actions[name] = func(t *rapid.T) {
				if err := p.do(name); err != nil {
					t.Fatal(err)
				}
			}
		}
		t.Repeat(actions)
	})
}

// line is what the twins have in common: who waits, and what came of it.
type line struct {
	out   []string
	queue []int // indices of those who wait, oldest first
}

func (l *line) outcomes() []string { return l.out }

func (l *line) come(outcome string) {
	if outcome == waits {
		l.queue = append(l.queue, len(l.out))
	}
	l.out = append(l.out, outcome)
}

func (l *line) leave(i int) bool {
	for at, j := range l.queue {
		if i == j {
			l.queue = append(append([]int{}, l.queue[:at]...), l.queue[at+1:]...)
			l.out[i] = withdrawn
			return true
		}
	}
	return false
}

func (l *line) serve(outcome string) int {
	i := l.queue[0]
	l.queue = l.queue[1:]
	l.out[i] = outcome
	return i
}

// TestTwinsNotice makes sure that the drivers above would see a wrong subject.
func TestTwinsNotice(t *testing.T) {
	p := &play{subject: semaphoreSubject{NewSemaphore(1)}, twin: &semaphoreTwin{free: 0}}
	p.arm(1)
	if err := p.check(); err == nil {
		t.Error("a wait that should go on was served, and check returned nil")
	}
}
