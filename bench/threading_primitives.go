package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/go-braid/braid/strand"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"
)

// A primitive is one of the things that strands share. Prepare makes a fresh one,
// for so many strands. Every strand calls work once: it does an operation so many
// times. The loop is each candidate's own where a call of a function would cost as
// much as the operation. Check is given the operations of all.
type primitive struct {
	name    string
	prepare func(strands int) (work func(strand, times int) error, check func(total int64) error)
}

// primitives are braid's, each with its peers, by what is done with them.
var primitives = []struct {
	name  string
	braid primitive
	peers []primitive
}{
	{"mutex", strandMutex, []primitive{syncMutex}},
	{"read-write mutex, 1 write in 16", strandRWMutex, []primitive{syncRWMutex}},
	{"semaphore of 2", strandSemaphore, []primitive{weightedSemaphore, channelSemaphore}},
	{"queue of 128", strandQueue, []primitive{bufferedChannel}},
	{"barrier", strandBarrier, []primitive{condBarrier}},
}

// primitiveCases have so many strands, all of them goroutines: what a pool adds to
// a strand that waits is no matter of the primitive.
func primitiveCases(n int) []benchCase {
	var cases []benchCase
	for _, p := range primitives {
		for _, strands := range []int{1, 2, 8} {
			run := func(p primitive) candidate {
				return candidate{name: p.name, run: func() ([]float64, error) { return p.time(strands, n) }}
			}
			with := "uncontended"
			if strands > 1 {
				with = plural(strands, "strand")
			}
			c := benchCase{name: p.name + ", " + with, braid: run(p.braid), measures: []measure{{"an operation", inSeconds}}}
			for _, peer := range p.peers {
				c.peers = append(c.peers, run(peer))
			}
			cases = append(cases, c)
		}
	}
	return cases
}

// time returns the seconds an operation of about n.
func (p primitive) time(strands, n int) ([]float64, error) {
	work, check := p.prepare(strands)
	times := max(1, n/strands)
	gate := make(chan struct{})
	var g errgroup.Group
	for i := range strands {
		g.Go(func() error {
			<-gate
			return work(i, times)
		})
	}
	runtime.GC()
	values, err := perTask(times*strands, func() error {
		close(gate)
		return g.Wait()
	})
	if err != nil {
		return nil, err
	}
	return values[:1], check(int64(times * strands))
}

// The strands of a mutex count, one by one.
func counted(v *int64) func(int64) error {
	return func(total int64) error { return expect("operations counted", *v, total) }
}

var strandMutex = primitive{"strand.Mutex", func(int) (func(int, int) error, func(int64) error) {
	ctx := context.Background()
	var mu strand.Mutex
	v := new(int64)
	return func(_, times int) error {
		for range times {
			if err := mu.Lock(ctx); err != nil {
				return err
			}
			*v++
			mu.Unlock()
		}
		return nil
	}, counted(v)
}}

var syncMutex = primitive{"sync.Mutex", func(int) (func(int, int) error, func(int64) error) {
	var mu sync.Mutex
	v := new(int64)
	return func(_, times int) error {
		for range times {
			mu.Lock()
			*v++
			mu.Unlock()
		}
		return nil
	}, counted(v)
}}

// A pair is what the readers of a read-write mutex look at: they never see its
// halves differ.
type pair struct{ a, b int64 }

var errTorn = errors.New("a reader saw half of a write")

// writes is how many of so many operations of a strand are writes.
func writes(times int) int { return (times + 15) / 16 }

func (p *pair) check(strands int) func(int64) error {
	return func(total int64) error {
		return expect("writes counted", p.a, int64(strands*writes(int(total)/strands)))
	}
}

var strandRWMutex = primitive{"strand.RWMutex", func(strands int) (func(int, int) error, func(int64) error) {
	ctx := context.Background()
	var mu strand.RWMutex
	p := new(pair)
	return func(_, times int) error {
		for i := range times {
			if i%16 == 0 {
				if err := mu.Lock(ctx); err != nil {
					return err
				}
				p.a++
				p.b++
				mu.Unlock()
				continue
			}
			if err := mu.RLock(ctx); err != nil {
				return err
			}
			torn := p.a != p.b
			mu.RUnlock()
			if torn {
				return errTorn
			}
		}
		return nil
	}, p.check(strands)
}}

var syncRWMutex = primitive{"sync.RWMutex", func(strands int) (func(int, int) error, func(int64) error) {
	var mu sync.RWMutex
	p := new(pair)
	return func(_, times int) error {
		for i := range times {
			if i%16 == 0 {
				mu.Lock()
				p.a++
				p.b++
				mu.Unlock()
				continue
			}
			mu.RLock()
			torn := p.a != p.b
			mu.RUnlock()
			if torn {
				return errTorn
			}
		}
		return nil
	}, p.check(strands)
}}

// permits is how many strands a semaphore lets in at once.
const permits = 2

// An inside counts those whom a semaphore let in. A strand that is alone does not
// look how many are: that would cost as much as the semaphore.
type inside struct {
	strands   int
	now, ever atomic.Int64
}

func (in *inside) visit() error {
	if in.strands == 1 {
		return nil
	}
	defer in.now.Add(-1)
	if n := in.now.Add(1); n > permits {
		return fmt.Errorf("the semaphore has let in %d, of %d", n, permits)
	}
	return nil
}

// leave is called by each strand at the end.
func (in *inside) leave(visits int) error {
	in.ever.Add(int64(visits))
	return nil
}

func (in *inside) check(total int64) error { return expect("visits", in.ever.Load(), total) }

var strandSemaphore = primitive{"strand.Semaphore", func(strands int) (func(int, int) error, func(int64) error) {
	ctx := context.Background()
	s := strand.NewSemaphore(permits)
	in := &inside{strands: strands}
	return func(_, times int) error {
		for range times {
			if err := s.Acquire(ctx, 1); err != nil {
				return err
			}
			err := in.visit()
			s.Release(1)
			if err != nil {
				return err
			}
		}
		return in.leave(times)
	}, in.check
}}

var weightedSemaphore = primitive{"semaphore.Weighted", func(strands int) (func(int, int) error, func(int64) error) {
	ctx := context.Background()
	s := semaphore.NewWeighted(permits)
	in := &inside{strands: strands}
	return func(_, times int) error {
		for range times {
			if err := s.Acquire(ctx, 1); err != nil {
				return err
			}
			err := in.visit()
			s.Release(1)
			if err != nil {
				return err
			}
		}
		return in.leave(times)
	}, in.check
}}

var channelSemaphore = primitive{"buffered channel", func(strands int) (func(int, int) error, func(int64) error) {
	s := make(chan struct{}, permits)
	in := &inside{strands: strands}
	return func(_, times int) error {
		for range times {
			s <- struct{}{}
			err := in.visit()
			<-s
			if err != nil {
				return err
			}
		}
		return in.leave(times)
	}, in.check
}}

// A queue has as many producers as consumers; a single strand is both, in turn. An
// operation is a put or a get.
const capacity = 128

// A ledger has the sums of what was put and what was got.
type ledger struct{ put, got, items atomic.Int64 }

func (l *ledger) check(total int64) error {
	return errors.Join(
		expect("items got", l.items.Load(), total/2),
		expect("the sum of what was got", l.got.Load(), l.put.Load()),
	)
}

// exchange is the work of the strands of a queue. The last operation of an odd
// number is left out.
func exchange(l *ledger, strands int, put func(int64) error, get func() (int64, error)) func(int, int) error {
	return func(self, times int) (err error) {
		var in, out, items int64
		defer func() {
			l.put.Add(in)
			l.got.Add(out)
			l.items.Add(items)
		}()
		for i := range times {
			if producer := self%2 == 0; strands == 1 && i%2 == 0 || strands > 1 && producer {
				v := int64(self*times + i)
				if err := put(v); err != nil {
					return err
				}
				in += v
				continue
			}
			v, err := get()
			if err != nil {
				return err
			}
			out += v
			items++
		}
		return nil
	}
}

var strandQueue = primitive{"strand.Queue", func(strands int) (func(int, int) error, func(int64) error) {
	ctx := context.Background()
	q := strand.NewQueue[int64](capacity)
	var l ledger
	return exchange(&l, strands,
		func(v int64) error { return q.Put(ctx, v) },
		func() (int64, error) { return q.Get(ctx) },
	), l.check
}}

var bufferedChannel = primitive{"buffered channel", func(strands int) (func(int, int) error, func(int64) error) {
	q := make(chan int64, capacity)
	var l ledger
	return exchange(&l, strands,
		func(v int64) error { q <- v; return nil },
		func() (int64, error) { return <-q, nil },
	), l.check
}}

// The strands of a barrier meet again and again; nobody goes on before all came.
type meeting struct {
	strands int
	came    atomic.Int64
}

// attend does the rounds of one strand.
func (m *meeting) attend(rounds int, wait func() error) error {
	for i := range rounds {
		m.came.Add(1)
		if err := wait(); err != nil {
			return err
		}
		if n := m.came.Load(); n < int64((i+1)*m.strands) {
			return fmt.Errorf("the barrier opened in round %d when %d had come", i, n)
		}
	}
	return nil
}

func (m *meeting) check(total int64) error {
	return expect("times that a strand came", m.came.Load(), total)
}

var strandBarrier = primitive{"strand.Barrier", func(strands int) (func(int, int) error, func(int64) error) {
	ctx := context.Background()
	b := strand.NewBarrier(strands, nil)
	m := &meeting{strands: strands}
	return func(_, times int) error {
		return m.attend(times, func() error { _, err := b.Wait(ctx); return err })
	}, m.check
}}

// condBarrier is the barrier of the textbooks.
var condBarrier = primitive{"sync.Cond", func(strands int) (func(int, int) error, func(int64) error) {
	var mu sync.Mutex
	c := sync.NewCond(&mu)
	here, round := 0, 0
	m := &meeting{strands: strands}
	wait := func() error {
		mu.Lock()
		defer mu.Unlock()
		if here++; here == strands {
			here = 0
			round++
			c.Broadcast()
			return nil
		}
		for r := round; r == round; {
			c.Wait()
		}
		return nil
	}
	return func(_, times int) error { return m.attend(times, wait) }, m.check
}}
