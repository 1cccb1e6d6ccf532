package strand_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/go-braid/braid/strand"
)

var buffers = strand.NewLocal(func(context.Context) *strings.Builder { return new(strings.Builder) })

// Each strand writes to a buffer of its own, without a lock.
func ExampleLocal() {
	texts := make(chan string, 2)
	for _, word := range []string{"knit", "purl"} {
		go func() {
			ctx, self := strand.Enter(context.Background()) // an engine would have done this
			defer self.End()
			for range 3 {
				b, err := buffers.Get(ctx)
				if err != nil {
					fmt.Println(err)
					return
				}
				fmt.Fprint(b, word, " ")
			}
			b, _ := buffers.Get(ctx)
			texts <- strings.TrimSpace(b.String())
		}()
	}
	fmt.Println(<-texts)
	fmt.Println(<-texts)
	// Unordered output:
	// knit knit knit
	// purl purl purl
}
