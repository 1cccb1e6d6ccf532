package threading_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/strand"
	"github.com/go-braid/braid/threading"
)

// TestStress has submitters from outside, and tasks that do all that tasks do, at a pool
// of each mode that is resized and paused meanwhile. Each call runs once or is refused, no
// function is lost, and at the end the accounts add up and nobody is left.
func TestStress(t *testing.T) {
	for name, cfg := range map[string]threading.Config{
		"exact":   {Workers: 3, Queue: 4},
		"refuse":  {Workers: 3, Full: threading.Refuse},
		"relaxed": {Workers: 3, Queue: 128},
	} {
		t.Run(name, func(t *testing.T) {
			s := &stress{t: t, pool: threading.NewPool(cfg)}
			s.play()
		})
	}
}

// A stress is the books that the tasks of TestStress keep.
type stress struct {
	t    *testing.T
	pool *threading.Pool
	lock strand.Mutex

	submitted, begun, refused atomic.Int64   // calls
	functions, called         atomic.Int64   // of Pool.Go: admitted, and begun
	all                       sync.WaitGroup // who may submit more, each added by another one
}

func (s *stress) play() {
	rounds := 150
	if testing.Short() {
		rounds = 30
	}
	for i := range 4 {
		s.all.Go(func() {
			random := rand.New(rand.NewPCG(uint64(i), 1))
			for range rounds {
				s.submit(bg, random, 2)
			}
		})
	}
	over := make(chan struct{})
	var meddler sync.WaitGroup
	meddler.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-over:
				return
			default:
			}
			s.pool.Pause()
			if err := s.pool.Resize(1 + i%4); err != nil {
				s.t.Error(err)
			}
			s.pool.Resume()
			balanced(s.t, s.pool.Statistics())
			runtime.Gosched()
		}
	})
	s.all.Wait()
	if err := s.pool.Drain(bg); err != nil {
		s.t.Errorf("Drain = %v", err)
	}
	close(over)
	meddler.Wait()
	if err := s.pool.Close(bg); err != nil {
		s.t.Errorf("Close = %v", err)
	}
	st := s.pool.Statistics()
	balanced(s.t, st)
	if n := st.Running + st.Lent + st.Queued + st.Waiting + st.Idle; n != 0 {
		s.t.Errorf("a closed pool has %+v", st)
	}
	if s.begun.Load()+s.refused.Load() != s.submitted.Load() || s.called.Load() != s.functions.Load() {
		s.t.Errorf("%d calls, %d have begun, %d were refused; %d functions, %d were called", s.submitted.Load(),
			s.begun.Load(), s.refused.Load(), s.functions.Load(), s.called.Load())
	}
	if st.Submitted < uint64(s.submitted.Load()+s.functions.Load()) || st.Completed < uint64(s.begun.Load()+s.called.Load()) {
		s.t.Errorf("%d calls and %d functions, %d and %d have begun, and the pool says %+v", s.submitted.Load(),
			s.functions.Load(), s.begun.Load(), s.called.Load(), st)
	}
}

// submit submits a call or a function from wherever ctx comes from, and perhaps cancels
// or awaits it. Its tasks submit others, so many levels deep.
func (s *stress) submit(ctx context.Context, random *rand.Rand, levels int) {
	a, b := random.Uint64(), random.Uint64()
	if a%4 == 0 {
		s.all.Add(1)
		// Or it would not be called if its turn came after the end of who submits it.
		err := s.pool.Go(context.WithoutCancel(ctx), func(ctx context.Context) {
			defer s.all.Done()
			s.called.Add(1)
			s.work(ctx, rand.New(rand.NewPCG(a, b)), levels)
		})
		if err == nil {
			s.functions.Add(1)
			return
		}
		s.all.Done()
		if !errors.Is(err, engine.ErrNotStarted) {
			s.t.Errorf("Go = %v", err)
		}
		return
	}
	s.submitted.Add(1)
	var ran atomic.Int32
	f := runWith(ctx, s.pool, func(ctx context.Context) error {
		ran.Add(1)
		s.begun.Add(1)
		random := rand.New(rand.NewPCG(a, b))
		s.work(ctx, random, levels)
		switch random.IntN(20) {
		case 0:
			panic("no luck")
		case 1:
			runtime.Goexit()
		case 2:
			return errTest
		}
		return nil
	}, braid.Priority(int(b%8)/6))
	s.all.Go(func() {
		err := outcomeOf(f)
		refused := errors.Is(err, braid.ErrNotStarted)
		if refused {
			s.refused.Add(1)
		}
		if n := ran.Load(); n > 1 || refused == (n == 1) {
			s.t.Errorf("a call has run %d times, and its outcome is %v", n, err)
		}
	})
	switch random.IntN(4) {
	case 0:
		f.Cancel(fmt.Errorf("no more"))
	case 1, 2:
		_, _ = f.Await(ctx)
	}
}

// work is what a task does before it ends.
func (s *stress) work(ctx context.Context, random *rand.Rand, levels int) {
	for range 1 + random.IntN(2) {
		switch random.IntN(5) {
		case 0:
			_ = strand.Yield(ctx)
		case 1:
			if s.lock.Lock(ctx) == nil {
				_ = strand.Yield(ctx)
				s.lock.Unlock()
			}
		case 2:
			// A careless task: a goroutine of its own parks and submits in its name,
			// perhaps after its end.
			a, b := random.Uint64(), random.Uint64()
			ctx := ctx
			if a%2 == 0 {
				ctx = context.WithoutCancel(ctx)
			}
			s.all.Go(func() {
				if s.lock.Lock(ctx) == nil {
					s.lock.Unlock()
				}
				if levels > 0 {
					s.submit(ctx, rand.New(rand.NewPCG(a, b)), levels-1)
				}
			})
		default:
			if levels > 0 {
				s.submit(ctx, random, levels-1)
			}
		}
	}
}
