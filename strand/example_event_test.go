package strand_test

import (
	"context"
	"fmt"
	"sync"

	"github.com/go-braid/braid/strand"
)

// Many strands wait for one thing to happen.
func ExampleEvent() {
	ctx := context.Background()
	var configured strand.Event
	config := ""

	var strands sync.WaitGroup
	for range 3 {
		strands.Go(func() {
			if err := configured.Wait(ctx); err != nil {
				return
			}
			fmt.Println("serving with", config)
		})
	}
	config = "production.json"
	configured.Set()
	strands.Wait()
	// Output:
	// serving with production.json
	// serving with production.json
	// serving with production.json
}
