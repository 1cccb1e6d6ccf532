package strand_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/go-braid/braid/internal/cancel"
	"github.com/go-braid/braid/strand"
)

// The benchmarks of the objects set each beside what package sync, or a channel, has
// for the same purpose, in the same loop: the ratio of two lines is what braid costs.

// bench runs one operation on 1, 2 and 8 strands that all use the same object. Open
// makes the object, and returns the operation. Braid's objects have it twice: the
// operations of package sync cannot be cancelled, those of programs often can.
func bench(b *testing.B, name string, open func(strands int) func(ctx context.Context, strand int)) {
	benchWith(b, bg, name, open)
	if name == "braid" {
		ctx, stop := context.WithCancel(bg)
		defer stop()
		benchWith(b, ctx, "cancellable", open)
	}
}

func benchWith(b *testing.B, ctx context.Context, name string, open func(strands int) func(ctx context.Context, strand int)) {
	for _, strands := range []int{1, 2, 8} {
		b.Run(fmt.Sprintf("strands=%d/%s", strands, name), func(b *testing.B) {
			op := open(strands)
			if strands == 1 {
				for b.Loop() {
					op(ctx, 0)
				}
				return
			}
			var wg sync.WaitGroup
			for i := range strands {
				wg.Go(func() {
					for range (b.N + strands - 1) / strands {
						op(ctx, i)
					}
				})
			}
			wg.Wait()
		})
	}
}

// condBarrier is the barrier that one makes of a sync.Cond.
type condBarrier struct {
	mu      sync.Mutex
	all     sync.Cond
	parties int
	come    int
	round   int
}

func newCondBarrier(parties int) *condBarrier {
	c := &condBarrier{parties: parties}
	c.all.L = &c.mu
	return c
}

func (c *condBarrier) Wait() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.come++
	if c.come == c.parties {
		c.come = 0
		c.round++
		c.all.Broadcast()
		return
	}
	for round := c.round; round == c.round; {
		c.all.Wait()
	}
}

func BenchmarkMutex(b *testing.B) {
	bench(b, "sync", func(int) func(context.Context, int) {
		var m sync.Mutex
		n := 0
		return func(context.Context, int) {
			m.Lock()
			n++
			m.Unlock()
		}
	})
	bench(b, "braid", func(int) func(context.Context, int) {
		var m strand.Mutex
		n := 0
		return func(ctx context.Context, _ int) {
			_ = m.Lock(ctx)
			n++
			m.Unlock()
		}
	})
}

func BenchmarkRWMutex(b *testing.B) {
	for _, share := range []struct {
		name   string
		writes int // one in how many
	}{{"read", 0}, {"mixed", 10}, {"write", 1}} {
		b.Run(share.name, func(b *testing.B) {
			type counter struct {
				n int
				_ [56]byte
			}
			bench(b, "sync", func(strands int) func(context.Context, int) {
				var rw sync.RWMutex
				counters := make([]counter, strands)
				n := 0
				return func(_ context.Context, i int) {
					c := &counters[i]
					if c.n++; share.writes > 0 && c.n%share.writes == 0 {
						rw.Lock()
						n++
						rw.Unlock()
					} else {
						rw.RLock()
						c.n += min(n, 0)
						rw.RUnlock()
					}
				}
			})
			bench(b, "braid", func(strands int) func(context.Context, int) {
				var rw strand.RWMutex
				counters := make([]counter, strands)
				n := 0
				return func(ctx context.Context, i int) {
					c := &counters[i]
					if c.n++; share.writes > 0 && c.n%share.writes == 0 {
						_ = rw.Lock(ctx)
						n++
						rw.Unlock()
					} else {
						_ = rw.RLock(ctx)
						c.n += min(n, 0)
						rw.RUnlock()
					}
				}
			})
		})
	}
}

// BenchmarkSemaphore has half as many permits as strands. A channel can serve as a
// semaphore for one permit at a time, if it need not be weighted.
func BenchmarkSemaphore(b *testing.B) {
	bench(b, "channel", func(strands int) func(context.Context, int) {
		permits := make(chan struct{}, (strands+1)/2)
		return func(context.Context, int) {
			permits <- struct{}{}
			<-permits
		}
	})
	bench(b, "braid", func(strands int) func(context.Context, int) {
		s := strand.NewSemaphore((strands + 1) / 2)
		return func(ctx context.Context, _ int) {
			_ = s.Acquire(ctx, 1)
			s.Release(1)
		}
	})
}

// BenchmarkQueueOrChannel has half of the strands put items and the others get them;
// one strand alone does both. The queue holds 64 items.
func BenchmarkQueueOrChannel(b *testing.B) {
	bench(b, "channel", func(strands int) func(context.Context, int) {
		ch := make(chan int, 64)
		return func(_ context.Context, i int) {
			switch {
			case strands == 1:
				ch <- 1
				<-ch
			case i%2 == 0:
				ch <- 1
			default:
				<-ch
			}
		}
	})
	bench(b, "braid", func(strands int) func(context.Context, int) {
		q := strand.NewQueue[int](64)
		return func(ctx context.Context, i int) {
			switch {
			case strands == 1:
				_ = q.Put(ctx, 1)
				_, _ = q.Get(ctx)
			case i%2 == 0:
				_ = q.Put(ctx, 1)
			default:
				_, _ = q.Get(ctx)
			}
		}
	})
}

func BenchmarkBarrier(b *testing.B) {
	bench(b, "sync.Cond", func(strands int) func(context.Context, int) {
		barrier := newCondBarrier(strands)
		return func(context.Context, int) { barrier.Wait() }
	})
	bench(b, "braid", func(strands int) func(context.Context, int) {
		barrier := strand.NewBarrier(strands, nil)
		return func(ctx context.Context, _ int) { _, _ = barrier.Wait(ctx) }
	})
}

// BenchmarkHandOff has two strands wake each other in turn, which is what a wait
// costs that ends by a wake-up.
func BenchmarkHandOff(b *testing.B) {
	deadline, stop := context.WithTimeout(bg, time.Hour)
	defer stop()
	for _, c := range []struct {
		name string
		ctx  context.Context
	}{{"background", bg}, {"engine", cancel.New(bg)}, {"cancellable", deadline}} {
		b.Run(c.name+"/channel", func(b *testing.B) {
			there, back := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(back)
				for range there {
					back <- struct{}{}
				}
			}()
			for b.Loop() {
				select {
				case there <- struct{}{}:
				case <-c.ctx.Done():
				}
				select {
				case <-back:
				case <-c.ctx.Done():
				}
			}
			close(there)
			<-back
		})
		b.Run(c.name+"/braid", func(b *testing.B) {
			there, back := strand.NewSemaphore(0), strand.NewSemaphore(0)
			var wg sync.WaitGroup
			over := false
			wg.Go(func() {
				for {
					_ = there.Acquire(c.ctx, 1)
					if over {
						return
					}
					back.Release(1)
				}
			})
			for b.Loop() {
				there.Release(1)
				_ = back.Acquire(c.ctx, 1)
			}
			over = true
			there.Release(1)
			wg.Wait()
		})
	}
}
