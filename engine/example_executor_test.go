package engine_test

import (
	"context"
	"fmt"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/strand"
)

// A pool of two is an engine in few lines: it runs at most two calls at once, and
// makes those who submit more wait.
type poolOfTwo struct {
	host  engine.Host
	slots *strand.Semaphore
}

func newPoolOfTwo(l *engine.Listener) *poolOfTwo {
	p := &poolOfTwo{slots: strand.NewSemaphore(2)}
	p.host = engine.Host{Name: "two", Listener: l, Executor: p}
	return p
}

func (p *poolOfTwo) Start(ctx context.Context, c *engine.Call) {
	ctx = c.Submit(ctx, &p.host)
	if err := p.slots.Acquire(ctx, 1); err != nil {
		c.Refuse(err)
		return
	}
	go func() {
		defer p.slots.Release(1)
		c.Run(strand.Detach(ctx), 0)
	}()
}

func (p *poolOfTwo) Size() int { return 2 }

func ExampleExecutor() {
	square := braid.Func(func(_ context.Context, n int) (int, error) { return n * n, nil })
	upTo5 := func(yield func(int) bool) {
		for n := 1; n <= 5 && yield(n); n++ {
		}
	}
	for v, err := range braid.Map(context.Background(), newPoolOfTwo(nil), square, upTo5) {
		fmt.Println(v, err)
	}
	// Output:
	// 1 <nil>
	// 4 <nil>
	// 9 <nil>
	// 16 <nil>
	// 25 <nil>
}

// A listener is told what happens on an engine.
func ExampleListener() {
	ex := engine.NewSerial(&engine.Listener{
		Started:  func(e engine.Event) { fmt.Println(e.Task, "begins, attempt", e.Attempt) },
		Retrying: func(e engine.Event) { fmt.Println(e.Task, "failed:", e.Err) },
		Finished: func(e engine.Event) { fmt.Println(e.Task, "is over:", e.Err) },
	})
	attempts := 0
	braid.Go(context.Background(), ex, func(context.Context) (int, error) {
		if attempts++; attempts == 1 {
			return 0, fmt.Errorf("no luck")
		}
		return attempts, nil
	}, braid.Name("dice"), braid.Retry(1), braid.Backoff(-1, 0))
	// Output:
	// dice begins, attempt 1
	// dice failed: no luck
	// dice begins, attempt 2
	// dice is over: <nil>
}
