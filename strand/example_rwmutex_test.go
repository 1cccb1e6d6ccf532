package strand_test

import (
	"context"
	"fmt"
	"sync"

	"github.com/go-braid/braid/strand"
)

// Many read a table of prices at once; who changes it is alone with it.
func ExampleRWMutex() {
	ctx := context.Background()
	var mu strand.RWMutex
	prices := map[string]int{"tea": 3}

	price := func(what string) (int, error) {
		if err := mu.RLock(ctx); err != nil {
			return 0, err // ctx is done, and we do not hold mu
		}
		defer mu.RUnlock()
		return prices[what], nil
	}
	raise := func(what string) error {
		if err := mu.Lock(ctx); err != nil {
			return err
		}
		defer mu.Unlock()
		before := prices[what]
		_ = strand.Yield(ctx) // others run, but none of them sees the table
		prices[what] = before + 1
		return nil
	}

	var strands sync.WaitGroup
	for range 4 {
		strands.Go(func() { _, _ = price("tea") })
		strands.Go(func() { _ = raise("tea") })
	}
	strands.Wait()
	fmt.Println(price("tea"))
	// Output:
	// 7 <nil>
}
