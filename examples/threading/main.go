// Threading is the textbook program for threads: two of them, one prints
// numbers, the other letters, a line a second each, and the program waits for
// both. Ten seconds of work take five.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"github.com/go-braid/braid/strand"
	"github.com/go-braid/braid/threading"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer) error {
	numbers := threading.Go(ctx, "numbers", func(ctx context.Context) error {
		for i := range 5 {
			if err := strand.Sleep(ctx, time.Second); err != nil {
				return err
			}
			fmt.Fprintf(out, "Thread 1: %d\n", i)
		}
		return nil
	})
	letters := threading.Go(ctx, "letters", func(ctx context.Context) error {
		for _, c := range "ABCDE" {
			if err := strand.Sleep(ctx, time.Second); err != nil {
				return err
			}
			fmt.Fprintf(out, "Thread 2: %c\n", c)
		}
		return nil
	})

	if err := numbers.Join(ctx); err != nil {
		return err
	}
	if err := letters.Join(ctx); err != nil {
		return err
	}
	fmt.Fprintln(out, "Both threads have finished.")
	return nil
}
