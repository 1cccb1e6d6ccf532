// Asyncio is the textbook program for an event loop: two coroutines, one prints
// numbers, the other letters, a line a second each, and both are gathered. Ten
// seconds of work take five, on one thread: so no two lines can be printed at the
// same instant, and they come in the same order each time.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"github.com/go-braid/braid/asyncio"
	"github.com/go-braid/braid/strand"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer) error {
	return asyncio.Run(ctx, func(ctx context.Context) error {
		numbers := asyncio.Go(ctx, func(ctx context.Context) error {
			for i := range 5 {
				if err := strand.Sleep(ctx, time.Second); err != nil {
					return err
				}
				fmt.Fprintf(out, "Async Task 1: %d\n", i)
			}
			return nil
		})
		letters := asyncio.Go(ctx, func(ctx context.Context) error {
			for _, c := range "ABCDE" {
				if err := strand.Sleep(ctx, time.Second); err != nil {
					return err
				}
				fmt.Fprintf(out, "Async Task 2: %c\n", c)
			}
			return nil
		})

		if err := numbers.Join(ctx); err != nil {
			return err
		}
		return letters.Join(ctx)
	})
}
