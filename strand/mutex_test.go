package strand_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-braid/braid/strand"
)

func TestMutexIsFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m strand.Mutex
		if err := m.Lock(bg); err != nil {
			t.Fatal(err)
		}
		var order []int
		for i := range 5 {
			go func() {
				if err := m.Lock(bg); err != nil {
					t.Error(err)
				}
				order = append(order, i)
				m.Unlock()
			}()
			synctest.Wait() // i has queued before the next one comes
		}
		if s := m.Statistics(); s != (strand.MutexStatistics{Locked: true, Waiting: 5}) {
			t.Errorf("Statistics() = %+v, want locked with 5 waiting", s)
		}
		m.Unlock()
		synctest.Wait()
		if want := []int{0, 1, 2, 3, 4}; !slices.Equal(order, want) {
			t.Errorf("the mutex was held in the order %v, want %v", order, want)
		}
		if s := m.Statistics(); s != (strand.MutexStatistics{}) {
			t.Errorf("Statistics() = %+v, want none", s)
		}
	})
}

func TestMutexHandsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m strand.Mutex
		m.TryLock()
		release := make(chan struct{})
		go func() {
			if err := m.Lock(bg); err != nil {
				t.Error(err)
			}
			<-release
			m.Unlock()
		}()
		synctest.Wait()
		m.Unlock()
		// The waiter has not run yet, perhaps, but nobody can slip in between.
		if m.TryLock() {
			t.Error("TryLock overtook a strand that waits")
		}
		close(release)
		synctest.Wait()
		if !m.TryLock() {
			t.Error("TryLock of a free mutex = false")
		}
	})
}

func TestMutexLockIgnoresContextWhenFree(t *testing.T) {
	ctx, cancel := context.WithCancel(bg)
	cancel()
	var m strand.Mutex
	if err := m.Lock(ctx); err != nil {
		t.Errorf("Lock of a free mutex returned %v, want nil", err)
	}
	if err := m.Lock(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Lock of a held mutex under a done context returned %v, want context.Canceled", err)
	}
}

func TestMutexDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m strand.Mutex
		m.TryLock()
		ctx, cancel := context.WithTimeout(bg, time.Second)
		defer cancel()
		if err := m.Lock(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Lock returned %v, want context.DeadlineExceeded", err)
		}
		m.Unlock()
		if !m.TryLock() {
			t.Error("the strand that gave up left the mutex locked")
		}
	})
}

func TestMutexUnlockPanics(t *testing.T) {
	var m strand.Mutex
	want := "strand: Unlock of an unlocked Mutex"
	if got := mustPanic(t, m.Unlock); got != want {
		t.Errorf("the panic says %q, want %q", got, want)
	}
	// It is still usable.
	if !m.TryLock() {
		t.Error("the mutex is locked after the panic")
	}
	m.Unlock()
	mustPanic(t, m.Unlock)
}

func TestMutexUnlockedByAnother(t *testing.T) {
	var m strand.Mutex
	m.TryLock()
	done := make(chan struct{})
	go func() { m.Unlock(); close(done) }()
	<-done
	if !m.TryLock() {
		t.Error("the mutex is locked after another strand has unlocked it")
	}
}

// TestMutexExcludes has strands lock, give up and unlock as they like: the plain
// counter under the mutex must come out right, which the race detector checks too.
func TestMutexExcludes(t *testing.T) {
	const strands, rounds = 8, 500
	var m strand.Mutex
	counter, locks := 0, make([]int, strands)
	var wg sync.WaitGroup
	for i := range strands {
		wg.Go(func() {
			for range rounds {
				ctx, cancel := context.WithCancel(bg)
				if rand.IntN(2) == 0 {
					go func() { spin(rand.IntN(4)); cancel() }()
				}
				err := m.Lock(ctx)
				if err == nil {
					counter++
					locks[i]++
					spin(rand.IntN(2))
					m.Unlock()
				}
				cancel()
			}
		})
	}
	wg.Wait()
	sum := 0
	for _, n := range locks {
		sum += n
	}
	if counter != sum {
		t.Errorf("the counter is %d after %d locks", counter, sum)
	}
	if s := m.Statistics(); s != (strand.MutexStatistics{}) {
		t.Errorf("Statistics() = %+v at the end, want none", s)
	}
}

func TestUncontendedAllocatesNothing(t *testing.T) {
	var m strand.Mutex
	var r strand.RLock
	var rw strand.RWMutex
	var e strand.Event
	ctx, self := strand.Enter(bg)
	defer self.End()
	s := strand.NewSemaphore(2)
	q := strand.NewQueue[int](4)
	q.TryPut(0)
	check := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, f := range map[string]func(){
		"Mutex.Lock":        func() { check(m.Lock(bg)); m.Unlock() },
		"Mutex.TryLock":     func() { m.TryLock(); m.Unlock() },
		"Mutex with owner":  func() { check(m.Lock(ctx)); m.Unlock() },
		"RLock":             func() { check(r.Lock(ctx)); check(r.Lock(ctx)); r.Unlock(ctx); r.Unlock(ctx) },
		"RWMutex.Lock":      func() { check(rw.Lock(ctx)); rw.Unlock() },
		"RWMutex.RLock":     func() { check(rw.RLock(ctx)); rw.RUnlock() },
		"Event":             func() { e.Set(); check(e.Wait(bg)); e.Clear() },
		"Semaphore":         func() { check(s.Acquire(bg, 2)); s.Release(2) },
		"Queue":             func() { check(q.Put(bg, 1)); _, err := q.Get(bg); check(err) },
		"Queue.Try":         func() { check(q.TryPut(1)); _, err := q.TryGet(); check(err) },
		"Yield":             func() { check(strand.Yield(bg)) },
		"Err of a live ctx": func() { check(strand.Err(bg)) },
		"Now":               func() { strand.Now(bg) },
		"Statistics":        func() { m.Statistics(); e.Statistics(); s.Statistics(); q.Statistics() },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s allocates %v times, want 0", name, n)
		}
	}
}

func TestOpString(t *testing.T) {
	var m strand.Mutex
	op := strand.Op{Object: &m, Kind: strand.OpLock, Access: strand.Write}
	if got, want := op.String(), fmt.Sprintf("lock *strand.Mutex(%p)", &m); got != want {
		t.Errorf("String() = %q, want %q", got, want)
	}
	if got := (strand.Op{Kind: strand.OpSleep}).String(); got != "sleep" {
		t.Errorf("String() = %q, want \"sleep\"", got)
	}
	names := map[strand.Kind]string{
		strand.OpNone: "none", strand.OpSleep: "sleep", strand.OpYield: "yield",
		strand.OpLock: "lock", strand.OpAcquire: "acquire", strand.OpWait: "wait",
		strand.OpPut: "put", strand.OpGet: "get", strand.OpAwait: "await", 200: "Kind(200)",
	}
	for k, want := range names {
		if got := k.String(); got != want {
			t.Errorf("Kind %d is called %q, want %q", uint8(k), got, want)
		}
	}
	if strand.Read.String() != "read" || strand.Write.String() != "write" {
		t.Errorf("the accesses are called %q and %q", strand.Read, strand.Write)
	}
}
