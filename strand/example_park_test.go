package strand_test

import (
	"context"
	"fmt"
	"sync"

	"github.com/go-braid/braid/strand"
)

// A countdown is an object of one's own on which strands wait: for a number to
// come down to zero. It works on every engine, since it waits in strand.Park.
type countdown struct {
	mu      sync.Mutex
	n       int
	waiters map[*countdownWaiter]func()
}

func (c *countdown) Down() {
	c.mu.Lock()
	c.n--
	var wakes []func()
	if c.n == 0 {
		for w, wake := range c.waiters {
			delete(c.waiters, w)
			wakes = append(wakes, wake)
		}
	}
	c.mu.Unlock()
	for _, wake := range wakes {
		wake()
	}
}

func (c *countdown) Wait(ctx context.Context) error {
	op := strand.Op{Object: c, Kind: strand.OpWait, Access: strand.Read}
	return strand.Park(ctx, op, &countdownWaiter{c})
}

// A countdownWaiter is one wait. Whoever takes it out of the map under the lock,
// Down or Disarm, has won.
type countdownWaiter struct{ c *countdown }

func (w *countdownWaiter) Arm(wake func()) bool {
	w.c.mu.Lock()
	defer w.c.mu.Unlock()
	if w.c.n <= 0 {
		return false
	}
	w.c.waiters[w] = wake
	return true
}

func (w *countdownWaiter) Disarm() bool {
	w.c.mu.Lock()
	defer w.c.mu.Unlock()
	_, waiting := w.c.waiters[w]
	delete(w.c.waiters, w)
	return waiting
}

func ExamplePark() {
	c := &countdown{n: 3, waiters: make(map[*countdownWaiter]func())}
	for range 3 {
		go c.Down()
	}
	if err := c.Wait(context.Background()); err != nil {
		fmt.Println(err)
	}
	fmt.Println("lift-off")
	// Output:
	// lift-off
}
