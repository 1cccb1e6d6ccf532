package strand

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

func newRacer(m *Mutex, self *Strand, lenient bool) *racer {
	return race(&mutexWaiter{m: m, turn: turn{self: self, lenient: lenient}})
}

// TestMutexOvertaking goes through the life of a goroutine that waits: it is overtaken
// for a millisecond, and then the next Unlock hands it the mutex.
func TestMutexOvertaking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m Mutex
		m.TryLock()
		first := newRacer(&m, &nobody, true)
		second := newRacer(&m, &nobody, true)
		overtake := func() {
			t.Helper()
			m.Unlock()
			if !first.woken || !first.turn.invited || second.woken {
				t.Fatalf("after Unlock the first waiter is woken: %v, invited: %v, the second woken: %v; want true, true, false",
					first.woken, first.turn.invited, second.woken)
			}
			if m.TryLock() {
				t.Fatal("TryLock overtook a strand that waits")
			}
			if s := m.Statistics(); s != (MutexStatistics{Waiting: 2}) {
				t.Fatalf("Statistics() = %+v before the waiter is awake, want free with 2 waiting", s)
			}
			if err := m.Lock(t.Context()); err != nil {
				t.Fatal(err)
			}
			m.Unlock() // invites nobody else
			if second.woken {
				t.Fatal("two waiters are invited")
			}
			if err := m.Lock(t.Context()); err != nil {
				t.Fatal(err)
			}
			first.run()
			if first.gone {
				t.Fatal("the waiter has got a mutex that somebody holds")
			}
		}
		for range 3 {
			overtake()
		}
		time.Sleep(patience - 1)
		overtake()
		time.Sleep(time.Nanosecond)
		overtake() // once more: it was asleep when its patience ended
		m.Unlock()
		if !first.woken || first.turn.invited {
			t.Errorf("after %v the waiter is woken: %v, invited: %v; want it to have the mutex", patience, first.woken, first.turn.invited)
		}
		if m.TryLock() || m.spin(&nobody) {
			t.Error("a strand that waits was overtaken after its patience had ended")
		}
		first.run()
		if s := m.Statistics(); s != (MutexStatistics{Locked: true, Waiting: 1}) {
			t.Errorf("Statistics() = %+v, want locked with 1 waiting", s)
		}
		m.Unlock()
		second.run()
		m.Unlock()
		if !second.holds || m.Statistics() != (MutexStatistics{}) {
			t.Errorf("the second waiter had the mutex: %v; at the end Statistics() = %+v", second.holds, m.Statistics())
		}
	})
}

// TestMutexInvitationIsPassedOn has the invited waiter give up.
func TestMutexInvitationIsPassedOn(t *testing.T) {
	for _, held := range []bool{false, true} {
		var m Mutex
		m.TryLock()
		first := newRacer(&m, &nobody, true)
		second := newRacer(&m, &nobody, true)
		m.Unlock()
		if held {
			m.spin(&nobody)
			first.cancel()
			if first.holds || second.woken {
				t.Errorf("the waiter who gave up holds the mutex: %v, the next is woken: %v", first.holds, second.woken)
			}
		} else {
			m.leave()
			first.gone = true
		}
		if held {
			m.Unlock()
		}
		if second.run(); !second.holds {
			t.Errorf("held=%v: the invitation was lost", held)
		}
	}
}

// TestMutexRacersModel has goroutines and coroutines with and without identity wait,
// compete, give up and end at random. Whatever comes: one strand holds the mutex at a
// time, and never is it free while somebody waits and nobody is on the way to it.
func TestMutexRacersModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var (
			m      Mutex
			owners = newOwners()
			racers []*racer
			held   bool // by somebody who has not waited
		)
		waiting := func() (n int) {
			for _, r := range racers {
				if !r.gone {
					n++
				}
			}
			return n
		}
		holders := func() (n int) {
			if held {
				n++
			}
			for _, r := range racers {
				if r.holds {
					n++
				}
			}
			return n
		}
		pick := func(t *rapid.T) *racer {
			if len(racers) == 0 {
				t.Skip("nobody has come yet")
			}
			return racers[rapid.IntRange(0, len(racers)-1).Draw(t, "racer")]
		}
		unlock := func() {
			held = false
			for _, r := range racers {
				r.holds = false
			}
			m.Unlock()
		}
		t.Repeat(map[string]func(*rapid.T){
			"arrive": func(t *rapid.T) {
				self := owners.as(rapid.IntRange(0, 2).Draw(t, "self"))
				r := newRacer(&m, self, rapid.Bool().Draw(t, "lenient"))
				if rapid.Bool().Draw(t, "patient") {
					r.turn.since = r.turn.since.Add(-patience)
				}
				racers = append(racers, r)
				if r.woken {
					r.run()
				}
			},
			"overtake": func(t *rapid.T) {
				if m.state.CompareAndSwap(nil, owners.as(rapid.IntRange(0, 2).Draw(t, "self"))) {
					held = true
				}
			},
			"run":    func(t *rapid.T) { pick(t).run() },
			"cancel": func(t *rapid.T) { pick(t).cancel() },
			"unlock": func(t *rapid.T) {
				if holders() == 0 {
					t.Skip("nobody holds the mutex")
				}
				if !m.Statistics().Broken {
					unlock()
				}
			},
			"end": func(t *rapid.T) { owners[rapid.IntRange(1, 2).Draw(t, "who")].End() },
			"": func(t *rapid.T) {
				if err := checkRacers(&m, racers, holders()); err != nil {
					t.Fatal(err)
				}
			},
		})
		// All who wait are served, if everybody does his part.
		for range 2*len(racers) + 2 {
			for _, r := range racers {
				r.run()
			}
			if holders() > 0 && !m.Statistics().Broken {
				unlock()
			}
		}
		if n := waiting(); n > 0 {
			t.Fatalf("%d strands wait at the end: %+v", n, m.Statistics())
		}
		if s := m.Statistics(); !s.Broken && (s.Locked || m.queue.Load() != noWaiters) {
			t.Fatalf("at the end Statistics() = %+v, the queue is %d", s, m.queue.Load())
		}
	})
}

func checkRacers(m *Mutex, racers []*racer, holders int) error {
	var coming, onTheWay, parkedNow, handed int
	for _, r := range racers {
		switch {
		case r.gone:
		case !r.woken:
			parkedNow++
		case r.turn.killer != nil:
		case r.turn.invited:
			coming++
		default:
			handed++
		}
	}
	onTheWay = coming + handed
	s := m.Statistics()
	switch {
	case holders+handed > 1:
		return fmt.Errorf("%d strands hold the mutex", holders+handed)
	case coming > 1:
		return fmt.Errorf("%d strands are invited", coming)
	case !s.Broken && s.Locked != (holders+handed == 1):
		return fmt.Errorf("Statistics() = %+v, but %d strands hold the mutex", s, holders+handed)
	case s.Waiting != parkedNow+coming:
		return fmt.Errorf("Statistics() = %+v, but %d strands wait", s, parkedNow+coming)
	case !s.Locked && parkedNow > 0 && onTheWay == 0:
		return fmt.Errorf("the mutex is free, %d strands are parked and none is on its way", parkedNow)
	case s.Broken && parkedNow > 0 && coming == 0:
		return fmt.Errorf("the mutex is broken, and %d strands are parked", parkedNow)
	case s.Locked && !s.Broken && parkedNow > 0 && coming == 0 && m.state.Load() != &crowd && m.queue.Load() != idle:
		return fmt.Errorf("who unlocks the mutex will not look after %d waiters", parkedNow)
	}
	return nil
}
