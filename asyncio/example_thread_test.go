package asyncio_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/asyncio"
)

// A long computation runs beside the loop, and tells the loop how far it is: the
// counter belongs to the loop, and needs no lock.
func ExampleToThread() {
	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		loop := asyncio.LoopOf(ctx)
		done := 0
		report := func(context.Context) (int, error) {
			done++
			fmt.Printf("%d of 3\n", done)
			return done, nil
		}
		sum, err := asyncio.ToThread(ctx, func(ctx context.Context) (int, error) {
			sum := 0
			for i := range 3 {
				sum += i * i
				if _, err := braid.Go(ctx, loop, report).Await(ctx); err != nil {
					return 0, err
				}
			}
			return sum, nil
		})
		fmt.Println("sum", sum)
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// 1 of 3
	// 2 of 3
	// 3 of 3
	// sum 5
}

func ExampleReadFile() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, "greeting")
	err = asyncio.Run(context.Background(), func(ctx context.Context) error {
		if err := asyncio.WriteFile(ctx, name, []byte("hello"), 0o600); err != nil {
			return err
		}
		b, err := asyncio.ReadFile(ctx, name)
		fmt.Printf("%s\n", b)
		return err
	})
	if err != nil {
		log.Print(err)
	}
	// Output:
	// hello
}
