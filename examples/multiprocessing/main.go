// Multiprocessing is the textbook program for processes: two of them, one prints
// numbers, the other letters, a line a second each, and the program waits for
// both. Ten seconds of work take five.
package main

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/multiprocessing"
	"github.com/go-braid/braid/strand"
)

// The tasks are known by name, in this process and in those that it starts.
var (
	numbers = braid.Define("numbers", func(ctx context.Context, pause time.Duration) (struct{}, error) {
		for i := range 5 {
			if err := strand.Sleep(ctx, pause); err != nil {
				return struct{}{}, err
			}
			fmt.Printf("Process 1: %d\n", i)
		}
		return struct{}{}, nil
	})
	letters = braid.Define("letters", func(ctx context.Context, pause time.Duration) (struct{}, error) {
		for _, c := range "ABCDE" {
			if err := strand.Sleep(ctx, pause); err != nil {
				return struct{}{}, err
			}
			fmt.Printf("Process 2: %c\n", c)
		}
		return struct{}{}, nil
	})
)

func main() {
	multiprocessing.Main() // in the processes that it starts, the program ends here
	if err := run(context.Background(), time.Second); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, pause time.Duration) error {
	process1, err := multiprocessing.Start(ctx, numbers, pause)
	if err != nil {
		return err
	}
	process2, err := multiprocessing.Start(ctx, letters, pause)
	if err != nil {
		return err
	}

	if err := process1.Join(ctx); err != nil {
		return err
	}
	if err := process2.Join(ctx); err != nil {
		return err
	}
	fmt.Println("Both processes have finished.")
	return nil
}
