package strand_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-braid/braid/strand"
)

// A connection is made by the first strand that needs it. If that fails, the next
// one tries again.
func ExampleOnceValue() {
	attempts := 0
	connection := strand.OnceValue(func(ctx context.Context) (string, error) {
		attempts++
		if attempts == 1 {
			return "", errors.New("connection refused")
		}
		return "connected", nil
	})
	ctx := context.Background()
	for range 3 {
		c, err := connection(ctx)
		fmt.Printf("%q %v\n", c, err)
	}
	fmt.Println(attempts, "attempts")
	// Output:
	// "" connection refused
	// "connected" <nil>
	// "connected" <nil>
	// 2 attempts
}
