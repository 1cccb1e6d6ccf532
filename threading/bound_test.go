package threading_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/strand"
	"github.com/go-braid/braid/threading"
	"pgregory.net/rapid"
)

// A step is what a task does, or what is done to the pool from outside; n is
// which object, how long, or how many.
type step struct {
	do string
	n  int
}

// A program is a pool, its tasks, and what happens to them.
type program struct {
	cfg    threading.Config
	tasks  [][]step // by number; a task spawns only tasks with higher numbers
	script []step
}

var programs = rapid.Custom(func(t *rapid.T) program {
	steps := func(names ...string) *rapid.Generator[[]step] {
		return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step {
			return step{rapid.SampledFrom(names).Draw(t, "do"), rapid.IntRange(0, 3).Draw(t, "n")}
		}), 0, 5)
	}
	return program{
		cfg: threading.Config{
			Workers: rapid.IntRange(1, 3).Draw(t, "workers"),
			Queue:   rapid.SampledFrom([]int{-1, 1, 3}).Draw(t, "queue"),
			Full:    rapid.SampledFrom([]threading.Full{threading.Wait, threading.Refuse}).Draw(t, "full"),
			MaxLent: rapid.SampledFrom([]int{0, 0, 0, 1, 2, -1}).Draw(t, "lent"),
		},
		tasks: rapid.SliceOfN(steps("yield", "sleep", "wait", "lock", "spawn", "spawn", "panic", "exit", "fail"),
			1, 8).Draw(t, "tasks"),
		script: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step {
			do := rapid.SampledFrom([]string{"submit", "submit", "submit", "submit", "set", "cancel",
				"resize", "withdraw", "sleep", "drain"}).Draw(t, "do")
			return step{do, rapid.IntRange(0, 7).Draw(t, "n")}
		}), 1, 30).Draw(t, "script"),
	}
})

// TestRandomPrograms runs random programs and looks, whenever everybody waits,
// at what the pool says of itself and what the tasks say.
func TestRandomPrograms(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &model{program: programs.Draw(rt, "program")}
		synctest.Test(t, func(*testing.T) { m.run() })
		if len(m.faults) > 0 {
			rt.Fatal(errors.Join(m.faults...))
		}
	})
}

// A model runs a program and knows which of its tasks are at work.
type model struct {
	program
	pool   *threading.Pool
	events [4]strand.Event
	locks  [4]strand.Mutex

	mu      sync.Mutex
	faults  []error
	started int         // calls of Start
	begun   int         // bodies that have begun
	active  int         // tasks at work, or asleep
	bound   int         // how many may be
	size    int         // slots
	cancels [8][]func() // of the calls from outside, by n
	calls   sync.WaitGroup
}

func (m *model) fault(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.faults = append(m.faults, fmt.Errorf(format, args...))
}

// enter is called by a task that begins or goes on.
func (m *model) enter() {
	m.mu.Lock()
	m.active++
	active, bound := m.active, m.bound
	m.mu.Unlock()
	if active > bound {
		m.fault("%d tasks are at work, want at most %d", active, bound)
	}
	runtime.Gosched()
}

// leave is called by a task that is about to wait or to end.
func (m *model) leave() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.active--
}

// rebound lowers the bound after the pool has shrunk, as those who were at work
// before come to their ends, and raises it when the pool has grown. It is called
// when everybody waits, so that each task is either at work or parked. Where
// parked tasks keep their slots, it is not known here how many are taken; then
// the bound is the most that ever were. It needs m.mu.
func (m *model) rebound() {
	taken := m.active
	if m.cfg.MaxLent != 0 {
		taken = m.bound
	}
	m.bound = max(m.size, min(m.bound, taken))
}

// away waits with a function, as a task.
func (m *model) away(wait func() error) error {
	m.leave()
	defer m.enter()
	return wait()
}

// call makes a call of task number n. The outcome is checked when it is there.
func (m *model) call(ctx context.Context, n int) *braid.Future[int] {
	m.mu.Lock()
	m.started++
	m.mu.Unlock()
	ran := 0
	f := runWith(ctx, m.pool, func(ctx context.Context) error {
		ran++
		m.mu.Lock()
		m.begun++
		m.mu.Unlock()
		m.enter()
		defer m.leave()
		return m.perform(ctx, n)
	})
	m.calls.Go(func() {
		err := outcomeOf(f)
		if refused := errors.Is(err, braid.ErrNotStarted); ran > 1 || refused == (ran == 1) {
			m.fault("a call of task %d has run %d times, and its outcome is %v", n, ran, err)
		}
	})
	return f
}

// perform is the body of task number n.
func (m *model) perform(ctx context.Context, n int) error {
	for i, s := range m.tasks[n] {
		var err error
		switch s.do {
		case "yield":
			err = strand.Yield(ctx)
		case "sleep":
			err = strand.Sleep(ctx, time.Duration(1+s.n)*time.Second)
		case "wait":
			err = m.away(func() error { return m.events[s.n].Wait(ctx) })
		case "lock":
			if err = m.away(func() error { return m.locks[s.n].Lock(ctx) }); err == nil {
				err = strand.Sleep(ctx, time.Second)
				m.locks[s.n].Unlock()
			}
		case "spawn":
			child := n + 1 + s.n
			if child >= len(m.tasks) {
				continue
			}
			err = m.away(func() error { return m.spawn(ctx, child) })
		case "panic":
			panic(i)
		case "exit":
			runtime.Goexit()
		case "fail":
			return errTest
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// spawn has a task call another one and wait for it.
func (m *model) spawn(ctx context.Context, n int) error {
	_, err := m.call(ctx, n).Await(ctx)
	if _, failed := errors.AsType[*braid.TaskError](err); failed {
		return nil // a child's failure is the child's
	}
	return err
}

func (m *model) run() {
	m.pool = threading.NewPool(m.cfg)
	m.size, m.bound = m.cfg.Workers, m.cfg.Workers
	for _, s := range m.script {
		m.act(s)
		m.check()
	}
	m.finish()
}

// act does a step from outside.
func (m *model) act(s step) {
	switch s.do {
	case "submit":
		ctx, cancel := context.WithCancel(bg)
		m.cancels[s.n] = append(m.cancels[s.n], cancel)
		m.calls.Go(func() { m.call(ctx, s.n%len(m.tasks)) })
	case "set":
		e := &m.events[s.n%len(m.events)]
		e.Set()
		e.Clear()
	case "cancel":
		for _, cancel := range m.cancels[s.n] {
			cancel()
		}
	case "resize":
		n := 1 + s.n%4
		m.mu.Lock()
		m.size = n
		m.rebound()
		m.mu.Unlock()
		if err := m.pool.Resize(n); err != nil {
			m.fault("Resize(%d) = %v", n, err)
		}
	case "withdraw":
		before := m.pool.Statistics()
		if n := m.pool.Withdraw(errWhy); n != before.Queued+before.Waiting {
			m.fault("Withdraw = %d of %+v", n, before)
		}
	case "sleep":
		time.Sleep(time.Duration(s.n) * time.Second) // virtual time
	case "drain":
		ctx, cancel := context.WithTimeout(bg, time.Duration(s.n)*time.Second)
		defer cancel()
		if err := m.pool.Drain(ctx); err == nil {
			if s := m.pool.Statistics(); s.Running+s.Lent+s.Queued+s.Waiting > 0 {
				m.fault("the pool is drained, and has %+v", s)
			}
		}
	}
}

// check compares what the pool says, when everybody waits, with what must hold.
func (m *model) check() {
	synctest.Wait()
	s := m.pool.Statistics()
	m.mu.Lock()
	m.rebound()
	active, started, bound := m.active, m.started, m.bound
	m.mu.Unlock()
	queue := max(m.cfg.Queue, 0)
	full := s.Running >= s.Workers && s.Queued == queue
	for broken, is := range map[string]bool{
		"each call is in one place":           s.Submitted != uint64(s.Running+s.Lent+s.Queued+s.Waiting)+s.Refused+s.Completed,
		"each call is counted":                s.Submitted != uint64(started),
		"no more run than may":                s.Running > bound,
		"those at work hold slots":            active > s.Running,
		"those with slots are at work":        m.cfg.MaxLent == 0 && active != s.Running,
		"no more slots are lent than may be":  m.cfg.MaxLent > 0 && s.Lent > m.cfg.MaxLent || m.cfg.MaxLent < 0 && s.Lent > 0,
		"the queue has a bound":               s.Queued > queue,
		"nobody queues while a slot is free":  s.Queued > 0 && s.Running < s.Workers,
		"nobody waits while there is room":    s.Waiting > 0 && !full,
		"who would wait is refused":           s.Waiting > 0 && m.cfg.Full == threading.Refuse,
		"no more goroutines stay than slots":  s.Idle > s.Workers,
		"the size is what it was last set to": s.Workers != m.size,
	} {
		if is {
			m.fault("broken: %s: %+v, %d at work, %d calls", broken, s, active, started)
		}
	}
}

// finish brings everything to an end and closes the pool.
func (m *model) finish() {
	for i := range m.events {
		m.events[i].Set() // and it stays so
	}
	time.Sleep(time.Hour) // virtual time
	m.check()
	if s := m.pool.Statistics(); m.cfg.MaxLent == 0 && s.Running+s.Lent+s.Queued+s.Waiting > 0 {
		m.fault("nobody goes on though nothing is in the way: %+v", s)
	}
	// Where slots were kept, tasks may wait for tasks in the queue.
	for _, cancels := range m.cancels {
		for _, cancel := range cancels {
			cancel()
		}
	}
	m.calls.Wait()
	if err := m.pool.Close(bg); err != nil {
		m.fault("Close = %v", err)
	}
	s := m.pool.Statistics()
	if s.Completed < uint64(m.begun) || s.Completed+s.Refused != uint64(m.started) || s.Idle > 0 || m.active > 0 {
		m.fault("at the end: %+v, %d calls, %d begun, %d at work", s, m.started, m.begun, m.active)
	}
	if _, err := runWith(bg, m.pool, nothing).Await(bg); !errors.Is(err, engine.ErrClosed) {
		m.fault("a call of the closed pool = %v", err)
	}
}
