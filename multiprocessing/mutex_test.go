//go:build linux

package multiprocessing_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/multiprocessing"
)

func newMutex(t testing.TB) *multiprocessing.Mutex {
	return made[*multiprocessing.Mutex](t)(multiprocessing.NewMutex())
}

func newEvent(t testing.TB) *multiprocessing.Event {
	return made[*multiprocessing.Event](t)(multiprocessing.NewEvent())
}

func newCounts(t testing.TB, n int) *multiprocessing.Array[int64] {
	return made[*multiprocessing.Array[int64]](t)(multiprocessing.NewArray[int64](n))
}

func init() {
	tricks["mutex: add"] = func(ctx context.Context, k kit) (int, error) {
		defer k.Counts.Close()
		sum := k.Counts.Slice()
		for range k.N {
			if err := k.Mutex.Lock(ctx); err != nil {
				return 0, err
			}
			sum[0]++ // not atomic
			k.Mutex.Unlock()
		}
		return 0, nil
	}
	tricks["mutex: hold"] = func(ctx context.Context, k kit) (int, error) {
		if err := k.Mutex.Lock(ctx); err != nil {
			return 0, err
		}
		k.Ready.Set()
		hang()
		return 0, nil
	}
	tricks["mutex: wait"] = func(ctx context.Context, k kit) (int, error) {
		k.Ready.Set()
		if err := k.Mutex.Lock(ctx); err != nil {
			return 0, err
		}
		k.Mutex.Unlock()
		return 0, nil
	}
	tricks["mutex: recover"] = func(ctx context.Context, k kit) (int, error) {
		died, err := k.Mutex.Recover(ctx)
		if err != nil {
			return 0, err
		}
		if died {
			k.Counts.Add(0, 1)
		}
		k.Counts.Add(1, 1)
		k.Mutex.Unlock()
		return 0, nil
	}
	// Counts[0] says how many are inside, Counts[1] how often it was more than one,
	// Counts[2] how often the mutex was inherited, Counts[3] how often it was locked.
	tricks["mutex: storm"] = func(ctx context.Context, k kit) (int, error) {
		for {
			died, err := k.Mutex.Recover(ctx)
			if err != nil {
				return 0, err
			}
			if died {
				k.Counts.Store(0, 0)
				k.Counts.Add(2, 1)
			}
			if k.Counts.Add(0, 1) != 1 {
				k.Counts.Add(1, 1)
			}
			k.Counts.Add(3, 1)
			k.Counts.Add(0, -1)
			k.Mutex.Unlock()
		}
	}
	tricks["mutex: close"] = func(ctx context.Context, k kit) (int, error) {
		if err := k.Mutex.Lock(ctx); err != nil {
			return 0, err
		}
		if err := k.Mutex.Close(); err != nil {
			return 0, err
		}
		k.Ready.Set()
		return 0, k.Go.Wait(ctx)
	}
	tricks["mutex: unlock"] = func(_ context.Context, k kit) (int, error) {
		k.Mutex.Unlock()
		return 0, nil
	}
}

func TestMutexInOneProcess(t *testing.T) {
	checkShared(t)
	m, ctx := newMutex(t), deadline(t)
	n := 0
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 500 {
				if err := m.Lock(ctx); err != nil {
					t.Error(err)
					return
				}
				n++
				m.Unlock()
			}
		})
	}
	wg.Wait()
	if n != 4000 {
		t.Errorf("n = %d", n)
	}
	if s := m.Statistics(); s != (multiprocessing.MutexStatistics{}) {
		t.Errorf("%+v", s)
	}
}

func TestMutexAcrossProcesses(t *testing.T) {
	checkShared(t)
	ctx := deadline(t)
	for _, pipes := range []bool{false, true} {
		m, sum := newMutex(t), newCounts(t, 1)
		p := newPool(t, multiprocessing.Config{Workers: 3, Pipes: pipes})
		var fs []*braid.Future[int]
		for range 3 {
			fs = append(fs, braid.Submit(ctx, p, perform, kit{How: "mutex: add", Mutex: m, Counts: sum, N: 2000}))
		}
		for _, f := range fs {
			if _, err := f.Await(ctx); err != nil {
				t.Fatal(err)
			}
		}
		if got := sum.Load(0); got != 6000 {
			t.Errorf("the sum is %d", got)
		}
	}
}

// TestMutexOwnerDies: those who wait, here and elsewhere, and those who come later are
// told, and one inherits the mutex.
func TestMutexOwnerDies(t *testing.T) {
	checkShared(t)
	ctx := deadline(t)
	m, ready, waits := newMutex(t), newEvent(t), newEvent(t)
	owner := launch(t, ctx, kit{How: "mutex: hold", Mutex: m, Ready: ready})
	if err := ready.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	if s := m.Statistics(); s.Owner != owner.PID() || s.OwnerDied {
		t.Errorf("%+v, and the owner is %d", s, owner.PID())
	}
	other := launch(t, ctx, kit{How: "mutex: wait", Mutex: m, Ready: waits})
	here := make(chan error)
	for range 2 {
		go func() { here <- m.Lock(ctx) }()
	}
	until(t, "all wait", func() bool { return m.Statistics().Waiting == 3 })
	slay(owner)
	for range 2 {
		if err := <-here; !errors.Is(err, multiprocessing.ErrOwnerDied) {
			t.Errorf("who waited here got %v", err)
		}
	}
	if err := other.Join(ctx); !errors.Is(err, multiprocessing.ErrOwnerDied) {
		t.Errorf("who waited elsewhere got %v", err)
	}
	if err := m.Lock(ctx); !errors.Is(err, multiprocessing.ErrOwnerDied) {
		t.Errorf("who came later got %v", err)
	}
	if m.TryLock() {
		t.Error("TryLock has locked it")
	}
	if s := m.Statistics(); s.Owner != owner.PID() || !s.OwnerDied || s.Waiting != 0 {
		t.Errorf("%+v", s)
	}
	if died, err := m.Recover(ctx); !died || err != nil {
		t.Errorf("Recover = %v, %v", died, err)
	}
	if m.TryLock() {
		t.Error("TryLock has locked what is recovered")
	}
	m.Unlock()
	if died, err := m.Recover(ctx); died || err != nil {
		t.Errorf("the second Recover = %v, %v", died, err)
	}
	m.Unlock()
	if err := m.Lock(ctx); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	m.Unlock()
}

// TestMutexInherited: however many wait to inherit, one does, and the others lock the
// mutex as usual.
func TestMutexInherited(t *testing.T) {
	checkShared(t)
	ctx := deadline(t)
	const heirs = 4
	m, ready, counts := newMutex(t), newEvent(t), newCounts(t, 2)
	owner := launch(t, ctx, kit{How: "mutex: hold", Mutex: m, Ready: ready})
	if err := ready.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	var ps []*multiprocessing.Process
	for range heirs {
		ps = append(ps, launch(t, ctx, kit{How: "mutex: recover", Mutex: m, Counts: counts}))
	}
	until(t, "all wait", func() bool { return m.Statistics().Waiting == heirs })
	slay(owner)
	for _, p := range ps {
		if err := p.Join(ctx); err != nil {
			t.Error(err)
		}
	}
	if counts.Load(0) != 1 || counts.Load(1) != heirs {
		t.Errorf("%d have inherited, %d have locked", counts.Load(0), counts.Load(1))
	}
}

// TestMutexWaiterDies: who dies or is stopped while he waits takes nothing along.
func TestMutexWaiterDies(t *testing.T) {
	checkShared(t)
	ctx := deadline(t)
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGSTOP} {
		m, ready := newMutex(t), newEvent(t)
		if err := m.Lock(ctx); err != nil {
			t.Fatal(err)
		}
		p := launch(t, ctx, kit{How: "mutex: wait", Mutex: m, Ready: ready})
		until(t, "it waits", func() bool { return m.Statistics().Waiting == 1 })
		here := make(chan error)
		go func() { here <- m.Lock(ctx) }()
		until(t, "both wait", func() bool { return m.Statistics().Waiting == 2 })
		if err := syscall.Kill(p.PID(), sig); err != nil {
			t.Fatal(err)
		}
		if sig == syscall.SIGKILL {
			<-p.Done()
		}
		m.Unlock()
		if err := <-here; err != nil {
			t.Errorf("%v: %v", sig, err)
		}
		if sig == syscall.SIGSTOP {
			_ = syscall.Kill(p.PID(), syscall.SIGCONT)
		}
		m.Unlock()
		if sig == syscall.SIGSTOP {
			if err := p.Join(ctx); err != nil {
				t.Errorf("who was stopped: %v", err)
			}
		}
		until(t, "nobody waits", func() bool { return m.Statistics().Waiting == 0 || sig == syscall.SIGKILL })
	}
}

// TestMutexClosedByOwner: a process that closes what it holds is like a dead one.
func TestMutexClosedByOwner(t *testing.T) {
	checkShared(t)
	ctx := deadline(t)
	m, ready, leave := newMutex(t), newEvent(t), newEvent(t)
	p := launch(t, ctx, kit{How: "mutex: close", Mutex: m, Ready: ready, Go: leave})
	if err := ready.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	if err := m.Lock(ctx); !errors.Is(err, multiprocessing.ErrOwnerDied) {
		t.Errorf("Lock: %v", err)
	}
	if died, err := m.Recover(ctx); !died || err != nil {
		t.Errorf("Recover = %v, %v", died, err)
	}
	m.Unlock()
	leave.Set()
	if err := p.Join(ctx); err != nil {
		t.Error(err)
	}
}

func TestMutexUnlockOfAnothers(t *testing.T) {
	checkShared(t)
	ctx := deadline(t)
	m := newMutex(t)
	expectPanic(t, "unlocked Mutex", m.Unlock)
	if err := m.Lock(ctx); err != nil {
		t.Fatal(err)
	}
	err := launch(t, ctx, kit{How: "mutex: unlock", Mutex: m}).Join(ctx)
	if err == nil || !strings.Contains(err.Error(), "another process holds") {
		t.Errorf("another process that unlocks it: %v", err)
	}
	m.Unlock()
}

func expectPanic(t *testing.T, with string, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		if v, _ := recover().(string); !strings.Contains(v, with) {
			t.Errorf("it panicked with %q, want %q", v, with)
		}
	}()
	f()
}

func TestMutexClosed(t *testing.T) {
	checkShared(t)
	ctx := deadline(t)
	m := newMutex(t)
	if err := m.Lock(ctx); err != nil {
		t.Fatal(err)
	}
	waits := make(chan error)
	go func() { waits <- m.Lock(ctx) }()
	until(t, "it waits", func() bool { return m.Statistics().Waiting == 1 })
	_ = m.Close()
	if err := <-waits; !errors.Is(err, os.ErrClosed) {
		t.Errorf("who waited got %v", err)
	}
	if err := m.Lock(ctx); !errors.Is(err, os.ErrClosed) {
		t.Errorf("who came later got %v", err)
	}
	expectPanic(t, "TryLock is not possible", func() { m.TryLock() })
	expectPanic(t, "Unlock is not possible", m.Unlock)
}

// TestMutexCancelled decides the race between Unlock and cancel both ways.
func TestMutexCancelled(t *testing.T) {
	checkShared(t)
	ctx := deadline(t)
	m := newMutex(t)
	if err := m.Lock(ctx); err != nil {
		t.Fatal(err)
	}
	if err := cancelled(ctx, func() {}, m.Lock); err != context.Canceled {
		t.Errorf("cancelled before Unlock: %v", err)
	}
	if s := m.Statistics(); s.Waiting != 0 {
		t.Errorf("%+v", s)
	}
	var got error
	unlocked := func() {
		m.Unlock()
		until(t, "the one who waits has it", func() bool { return m.Statistics() == multiprocessing.MutexStatistics{Owner: os.Getpid()} })
	}
	if got = cancelled(ctx, unlocked, m.Lock); got != nil {
		t.Errorf("cancelled after Unlock: %v", got)
	}
	if m.TryLock() {
		t.Error("nobody has it")
	}
	m.Unlock()
}

// TestMutexStorm kills processes at random moments: never do two hold the mutex, and it
// is never lost.
func TestMutexStorm(t *testing.T) {
	checkShared(t)
	ctx := deadline(t)
	m, counts := newMutex(t), newCounts(t, 4)
	k := kit{How: "mutex: storm", Mutex: m, Counts: counts}
	ps := []*multiprocessing.Process{launch(t, ctx, k), launch(t, ctx, k), launch(t, ctx, k)}
	const kills = 30
	for i := range kills {
		goal := counts.Load(3) + 50 + rand.Int64N(200)
		until(t, "they go on", func() bool { return counts.Load(3) > goal })
		slay(ps[i%3])
		ps[i%3] = launch(t, ctx, k)
	}
	for _, p := range ps {
		slay(p)
	}
	died, err := m.Recover(ctx)
	if err != nil {
		t.Fatal(err)
	}
	m.Unlock()
	if counts.Load(1) != 0 {
		t.Errorf("%d times two have held the mutex", counts.Load(1))
	}
	if n := counts.Load(2); n > kills+3 {
		t.Errorf("it was inherited %d times after %d deaths", n, kills+3)
	}
	t.Logf("locked %d times, inherited %d times, and at last: %v", counts.Load(3), counts.Load(2), died)
}
