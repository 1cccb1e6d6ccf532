package strand

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Mutex

// owners are the strands that lock in a play: the first has no identity.
type owners [3]*Strand

func newOwners() owners { return owners{&nobody, new(Strand), new(Strand)} }

// as returns who waits when the strand i does; see ownerFor.
func (o *owners) as(i int) *Strand {
	if o[i].Ended() {
		return &nobody
	}
	return o[i]
}

// index is the inverse of o[i]; no strand is -1.
func (o *owners) index(s []*Strand) int {
	if len(s) == 0 {
		return 0
	}
	return slices.Index(o[:], s[0])
}

// watched returns how many objects want to know of the end of one of them.
func (o *owners) watched() (n int) {
	for _, s := range o {
		n += len(s.atEnd)
	}
	return n
}

// watches is what watched should return for a lock with an owner.
func watches(owner, waiting int) int {
	if owner == 0 || waiting == 0 {
		return 0
	}
	return 1
}

const broken = "broken"

type mutexSubject struct {
	Mutex
	owners
}

func (s *mutexSubject) wait(i int) Waitable {
	return &mutexWaiter{m: &s.Mutex, turn: turn{self: s.as(i)}}
}
func (s *mutexSubject) outcome(w Waitable) string {
	if w.(*mutexWaiter).killer != nil {
		return broken
	}
	return served
}
func (s *mutexSubject) state() any {
	st := s.Statistics()
	return mutexState{st, s.index(s.Holders()), s.Mutex.state.Load() == &crowd && !st.Broken, s.watched()}
}
func (s *mutexSubject) act(name string) (result string) {
	switch name {
	case "unlock":
		defer func() {
			if recover() != nil {
				result = panics
			}
		}()
		s.Unlock()
		return ""
	case "end 1":
		s.owners[1].End()
		return ""
	case "end 2":
		s.owners[2].End()
		return ""
	default:
		return fmt.Sprint(s.TryLock())
	}
}

// A mutexState has what Unlock's fast path relies on beside the statistics.
type mutexState struct {
	MutexStatistics
	owner     int
	contended bool
	watched   int
}

type mutexTwin struct {
	line
	self   []int // of each wait
	ended  [3]bool
	held   bool
	owner  int
	broken bool
}

func (m *mutexTwin) arm(i int) {
	if m.ended[i] {
		i = 0
	}
	m.self = append(m.self, i)
	switch {
	case m.broken:
		m.come(broken)
	case m.held:
		m.come(waits)
	default:
		m.come(served)
		m.take(i)
	}
}
func (m *mutexTwin) take(i int) {
	m.held, m.owner = true, i
	if m.ended[i] {
		m.smash()
	}
}
func (m *mutexTwin) smash() {
	m.broken = true
	for len(m.queue) > 0 {
		m.serve(broken)
	}
}
func (m *mutexTwin) end(i int) {
	m.ended[i] = true
	if m.held && m.owner == i {
		m.smash()
	}
}
func (m *mutexTwin) cancel(i int) { m.leave(i) }
func (m *mutexTwin) act(name string) string {
	switch {
	case name == "trylock":
		was := m.held
		if !was {
			m.take(0)
		}
		return fmt.Sprint(!was)
	case name == "end 1":
		m.end(1)
	case name == "end 2":
		m.end(2)
	case !m.held:
		return panics
	case m.broken:
	case len(m.queue) > 0:
		m.take(m.self[m.serve(served)])
	default:
		m.held = false
	}
	return ""
}
func (m *mutexTwin) state() any {
	st := MutexStatistics{Locked: m.held, Broken: m.broken, Waiting: len(m.queue)}
	owner := m.owner
	if !m.held || m.broken {
		owner = 0
	}
	return mutexState{st, owner, len(m.queue) > 0, watches(owner, len(m.queue))}
}

func mutexPlay() *play { return &play{subject: &mutexSubject{owners: newOwners()}, twin: &mutexTwin{}} }

func TestMutexEveryOrder(t *testing.T) {
	n := everyOrder(t, mutexPlay,
		arm("a", 0), arm("b", 0), arm("c", 0), cancel("a"), cancel("b"), act("unlock"), act("unlock"), act("trylock"))
	if n != 10080 { // 8!/(2·2): each cancel comes after its arrival
		t.Errorf("%d orders were played, want 10080", n)
	}
	everyOrder(t, mutexPlay,
		arm("a", 1), arm("b", 2), arm("c", 0), cancel("b"), act("end 1"), act("unlock"), act("end 2"))
}

func TestMutexModel(t *testing.T) {
	anyRun(t, func(*rapid.T) *play { return mutexPlay() }, []int{0, 1, 2}, "unlock", "trylock", "end 1", "end 2")
}

// Event

type eventSubject struct{ Event }

func (s *eventSubject) wait(int) Waitable       { return &eventWaiter{e: &s.Event} }
func (s *eventSubject) outcome(Waitable) string { return served }
func (s *eventSubject) state() any              { return s.Statistics() }
func (s *eventSubject) act(name string) string {
	if name == "set" {
		s.Set()
	} else {
		s.Clear()
	}
	return fmt.Sprint(s.IsSet())
}

type eventTwin struct {
	line
	set bool
}

func (e *eventTwin) arm(int) {
	if e.set {
		e.come(served)
	} else {
		e.come(waits)
	}
}
func (e *eventTwin) cancel(i int) { e.leave(i) }
func (e *eventTwin) act(name string) string {
	e.set = name == "set"
	for e.set && len(e.queue) > 0 {
		e.serve(served)
	}
	return fmt.Sprint(e.set)
}
func (e *eventTwin) state() any { return EventStatistics{Set: e.set, Waiting: len(e.queue)} }

func eventPlay() *play { return &play{subject: &eventSubject{}, twin: &eventTwin{}} }

func TestEventEveryOrder(t *testing.T) {
	everyOrder(t, eventPlay,
		arm("a", 0), arm("b", 0), arm("c", 0), cancel("a"), cancel("b"), act("set"), act("clear"), act("set"))
}

func TestEventModel(t *testing.T) {
	anyRun(t, func(*rapid.T) *play { return eventPlay() }, []int{0}, "set", "clear")
}

// Semaphore

type semaphoreSubject struct{ *Semaphore }

func (s semaphoreSubject) wait(n int) Waitable     { return &semaphoreWaiter{s: s.Semaphore, n: n} }
func (s semaphoreSubject) outcome(Waitable) string { return served }
func (s semaphoreSubject) state() any              { return s.Statistics() }
func (s semaphoreSubject) act(name string) string {
	switch name {
	case "release 1":
		s.Release(1)
	case "release 2":
		s.Release(2)
	case "try 1":
		return fmt.Sprint(s.TryAcquire(1))
	}
	return ""
}

type semaphoreTwin struct {
	line
	free int
	need []int
}

func (s *semaphoreTwin) arm(n int) {
	s.need = append(s.need, n)
	s.come(waits)
	s.settle()
}
func (s *semaphoreTwin) cancel(i int) {
	s.leave(i)
	s.settle()
}
func (s *semaphoreTwin) settle() {
	for len(s.queue) > 0 && s.need[s.queue[0]] <= s.free {
		s.free -= s.need[s.serve(served)]
	}
}
func (s *semaphoreTwin) act(name string) string {
	switch name {
	case "release 1":
		s.free++
	case "release 2":
		s.free += 2
	case "try 1":
		if len(s.queue) > 0 || s.free == 0 {
			return "false"
		}
		s.free--
		return "true"
	}
	s.settle()
	return ""
}
func (s *semaphoreTwin) state() any {
	return SemaphoreStatistics{Free: s.free, Waiting: len(s.queue)}
}

func semaphorePlay(n int) *play {
	return &play{subject: semaphoreSubject{NewSemaphore(n)}, twin: &semaphoreTwin{free: n}}
}

func TestSemaphoreEveryOrder(t *testing.T) {
	for free := range 3 {
		open := func() *play { return semaphorePlay(free) }
		everyOrder(t, open, arm("big", 3), arm("one", 1), arm("none", 0), cancel("big"), cancel("one"), act("release 1"), act("try 1"))
		everyOrder(t, open, arm("two", 2), arm("one", 1), arm("also one", 1), cancel("two"), act("release 1"), act("release 2"))
	}
}

func TestSemaphoreModel(t *testing.T) {
	anyRun(t, func(t *rapid.T) *play { return semaphorePlay(rapid.IntRange(0, 4).Draw(t, "permits")) },
		[]int{0, 1, 1, 2, 3, 5}, "release 1", "release 2", "try 1")
}
