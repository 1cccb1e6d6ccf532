package strand

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

func newRWRacer(rw *RWMutex, self *Strand, reads, lenient bool) *racer {
	return race(&rwWaiter{rw: rw, reads: reads, turn: turn{self: self, lenient: lenient && !reads}})
}

func (r *racer) reads() bool { return r.c.(*rwWaiter).reads }

// TestRWMutexOvertaking goes through the life of a goroutine that waits to write: others
// who write overtake it for a millisecond. Readers do as long as it is not awake.
func TestRWMutexOvertaking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var rw RWMutex
		writes := func() {
			t.Helper()
			if err := rw.Lock(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		rw.TryLock()
		first := newRWRacer(&rw, &nobody, false, true)
		second := newRWRacer(&rw, &nobody, false, true)
		overtake := func() {
			t.Helper()
			rw.Unlock()
			if !first.woken || !first.turn.invited || second.woken {
				t.Fatalf("after Unlock the first writer is woken: %v, invited: %v, the second woken: %v; want true, true, false",
					first.woken, first.turn.invited, second.woken)
			}
			if rw.TryLock() || rw.TryRLock() {
				t.Fatal("somebody who tries overtook a writer who waits")
			}
			if s := rw.Statistics(); s != (RWMutexStatistics{WaitingWriters: 2}) {
				t.Fatalf("Statistics() = %+v before the writer is awake, want free with 2 waiting", s)
			}
			if err := rw.RLock(t.Context()); err != nil {
				t.Fatal(err)
			}
			rw.RUnlock()
			writes()
			rw.Unlock() // invites nobody else
			if second.woken {
				t.Fatal("two writers are invited")
			}
			writes()
			if first.run(); first.gone {
				t.Fatal("the writer has got a lock that somebody holds")
			}
		}
		for range 3 {
			overtake()
		}
		time.Sleep(patience - 1)
		overtake()
		time.Sleep(time.Nanosecond)
		overtake() // once more: it was asleep when its patience ended
		reader := newRWRacer(&rw, &nobody, true, false)
		rw.Unlock()
		if !reader.woken || first.woken {
			t.Errorf("the reader who waits is woken: %v, the writer whose patience has ended: %v; want true, false", reader.woken, first.woken)
		}
		if rw.TryRLock() || rw.TryLock() {
			t.Error("a writer who waits was overtaken after his patience had ended")
		}
		rw.RUnlock()
		if first.run(); !first.holds || first.turn.invited {
			t.Errorf("after %v the writer has the lock: %v, invited: %v; want it handed over", patience, first.holds, first.turn.invited)
		}
		if s := rw.Statistics(); s != (RWMutexStatistics{Writing: true, WaitingWriters: 1}) {
			t.Errorf("Statistics() = %+v, want it written with 1 waiting", s)
		}
		rw.Unlock()
		second.run()
		rw.Unlock()
		if !second.holds || rw.Statistics() != (RWMutexStatistics{}) {
			t.Errorf("the second writer had the lock: %v; at the end Statistics() = %+v", second.holds, rw.Statistics())
		}
	})
}

// TestRWMutexGuestFindsReaders has a writer wake up to find that readers came first: no
// other comes in, until they have left and he has written.
func TestRWMutexGuestFindsReaders(t *testing.T) {
	var rw RWMutex
	rw.TryLock()
	writer := newRWRacer(&rw, &nobody, false, true)
	rw.Unlock()
	if err := rw.RLock(t.Context()); err != nil {
		t.Fatal(err)
	}
	writer.run()
	late := newRWRacer(&rw, &nobody, true, false)
	if writer.gone || late.woken {
		t.Fatalf("while a reader holds it, the writer has it: %v, a reader who came after him: %v; want neither", writer.holds, late.woken)
	}
	rw.RUnlock()
	writer.run()
	if !writer.holds || late.woken {
		t.Fatalf("the writer has it: %v, the reader who came after him: %v; want true, false", writer.holds, late.woken)
	}
	rw.Unlock()
	if late.run(); !late.holds {
		t.Error("the reader who came after the writer was not let in")
	}
}

// TestRWMutexInvitationIsPassedOn has the invited writer give up, of a lock that is free,
// written or read.
func TestRWMutexInvitationIsPassedOn(t *testing.T) {
	for _, c := range []struct {
		name        string
		lock        func(*RWMutex) bool
		unlock      func(*RWMutex)
		secondWakes bool // at once
	}{
		{"free", func(*RWMutex) bool { return true }, func(*RWMutex) {}, true},
		{"written", func(rw *RWMutex) bool { return rw.tryLock(&nobody) }, (*RWMutex).Unlock, false},
		{"read", func(rw *RWMutex) bool { return rw.tryRLock(&nobody) }, (*RWMutex).RUnlock, true},
	} {
		var rw RWMutex
		rw.TryLock()
		newRWRacer(&rw, &nobody, false, true)
		second := newRWRacer(&rw, &nobody, false, true)
		rw.Unlock()
		if !c.lock(&rw) {
			t.Fatalf("%s: the lock cannot be had", c.name)
		}
		rw.leave() // as wait does when its context has ended
		if second.woken != c.secondWakes {
			t.Errorf("%s: the next writer is woken: %v, want %v", c.name, second.woken, c.secondWakes)
		}
		second.run()
		c.unlock(&rw)
		if second.run(); !second.holds {
			t.Errorf("%s: the invitation was lost", c.name)
		}
	}
}

// TestRWMutexRacersModel has readers and writers, goroutines and coroutines, with and
// without identity, wait, compete, give up and end at random. Whatever comes: a writer is
// alone, the lock is never free while somebody waits and nobody is on the way to it, and
// readers do not wait for readers.
func TestRWMutexRacersModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var (
			rw      RWMutex
			owners  = newOwners()
			racers  []*racer
			writers int // who hold it, of those who have not waited
			readers int
		)
		hold := func() (w, r int) {
			w, r = writers, readers
			for _, x := range racers {
				switch {
				case !x.holds:
				case x.reads():
					r++
				default:
					w++
				}
			}
			return w, r
		}
		self := func(t *rapid.T) *Strand { return owners.as(rapid.IntRange(0, 2).Draw(t, "self")) }
		pick := func(t *rapid.T) *racer {
			if len(racers) == 0 {
				t.Skip("nobody has come yet")
			}
			return racers[rapid.IntRange(0, len(racers)-1).Draw(t, "racer")]
		}
		unlock := func() {
			writers = 0
			for _, r := range racers {
				r.holds = r.holds && r.reads()
			}
			rw.Unlock()
		}
		runlock := func() {
			if readers > 0 {
				readers--
			} else {
				for _, r := range racers {
					if r.holds && r.reads() {
						r.holds = false
						break
					}
				}
			}
			rw.RUnlock()
		}
		// Nobody overtakes who must not be overtaken.
		barred := func() bool {
			for _, r := range racers {
				if !r.gone && !r.woken && !r.reads() && !r.turn.lenient {
					return true
				}
			}
			return false
		}
		t.Repeat(map[string]func(*rapid.T){
			"arrive": func(t *rapid.T) {
				r := newRWRacer(&rw, self(t), rapid.Bool().Draw(t, "reads"), rapid.Bool().Draw(t, "lenient"))
				if rapid.Bool().Draw(t, "patient") {
					r.turn.since = r.turn.since.Add(-patience)
				}
				racers = append(racers, r)
				if r.woken {
					r.run()
				}
			},
			"overtake": func(t *rapid.T) {
				barred := barred()
				if !rw.tryLock(self(t)) {
					return
				}
				writers = 1
				if barred {
					t.Fatal("a writer overtook one who must not be overtaken")
				}
			},
			"read": func(t *rapid.T) {
				barred := barred()
				if !rw.tryRLock(self(t)) {
					return
				}
				readers++
				if barred {
					t.Fatal("a reader overtook a writer who must not be overtaken")
				}
			},
			"run":    func(t *rapid.T) { pick(t).run() },
			"cancel": func(t *rapid.T) { pick(t).cancel() },
			"unlock": func(t *rapid.T) {
				if w, _ := hold(); w == 0 || rw.Statistics().Broken {
					t.Skip("nobody writes")
				}
				unlock()
			},
			"runlock": func(t *rapid.T) {
				if _, r := hold(); r == 0 {
					t.Skip("nobody reads")
				}
				runlock()
			},
			"end": func(t *rapid.T) { owners[rapid.IntRange(1, 2).Draw(t, "who")].End() },
			"": func(t *rapid.T) {
				w, r := hold()
				if err := checkRWRacers(&rw, racers, w, r); err != nil {
					t.Fatal(err)
				}
			},
		})
		// All who wait are served, if everybody does his part.
		for range 2*len(racers) + 2 {
			for _, r := range racers {
				r.run()
			}
			w, r := hold()
			if w > 0 && !rw.Statistics().Broken {
				unlock()
			}
			for range r {
				runlock()
			}
		}
		for _, r := range racers {
			if !r.gone {
				t.Fatalf("a strand waits at the end: %+v", rw.Statistics())
			}
		}
		if s := rw.Statistics(); !s.Broken && (s != (RWMutexStatistics{}) || rw.queue.Load() != noWaiters || rw.closed || rw.strict != 0) {
			t.Fatalf("at the end Statistics() = %+v, the queue is %d, closed: %v, strict: %d", s, rw.queue.Load(), rw.closed, rw.strict)
		}
	})
}

func checkRWRacers(rw *RWMutex, racers []*racer, writers, readers int) error {
	var coming, parkedWriters, parkedReaders int
	for _, r := range racers {
		switch {
		case r.gone:
		case !r.woken && r.reads():
			parkedReaders++
		case !r.woken:
			parkedWriters++
		case r.turn.killer != nil:
		case r.turn.invited:
			coming++
		case r.reads():
			readers++
		default:
			writers++
		}
	}
	state := rw.state.Load() // before Statistics makes it slow
	s := rw.Statistics()
	waiting := parkedWriters + parkedReaders
	switch {
	case writers > 1 || writers == 1 && readers > 0:
		return fmt.Errorf("%d writers hold the lock with %d readers", writers, readers)
	case coming > 1:
		return fmt.Errorf("%d writers are invited", coming)
	case !s.Broken && s.Writing != (writers == 1) || s.Readers != readers:
		return fmt.Errorf("Statistics() = %+v, but %d writers and %d readers hold the lock", s, writers, readers)
	case s.WaitingWriters != parkedWriters+coming || s.WaitingReaders != parkedReaders:
		return fmt.Errorf("Statistics() = %+v, but %d writers and %d readers wait", s, parkedWriters+coming, parkedReaders)
	case s.Broken && waiting > 0 && coming == 0:
		return fmt.Errorf("the lock is broken, and %d strands are parked", waiting)
	case !s.Writing && readers == 0 && waiting > 0 && coming == 0:
		return fmt.Errorf("the lock is free, %d strands are parked and none is on its way", waiting)
	case !s.Writing && parkedReaders > 0 && !rw.closed:
		return fmt.Errorf("%d readers wait though nobody writes, nor waits for readers", parkedReaders)
	case !s.Writing && readers > 0 && parkedWriters > 0 && coming == 0 && !rw.closed:
		return fmt.Errorf("%d writers are parked, and the lock is open to readers", parkedWriters)
	case state == writing && parkedWriters > 0 && coming == 0 && rw.queue.Load() != idle:
		return fmt.Errorf("who unlocks the lock will not look after %d writers", parkedWriters)
	}
	return nil
}
