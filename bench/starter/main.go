// Starter starts a worker, has it do nothing once, and ends it, so many times, and prints
// the median of the times to the result, in seconds, as JSON.
//
// It is a program of its own because a worker is the same program as its parent: what the
// peers in package bench's program need at its start is not to count here, as what they
// import is not to count in Python.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/multiprocessing"
)

var nothing = braid.Define("nothing", func(context.Context, struct{}) (struct{}, error) { return struct{}{}, nil })

func main() {
	multiprocessing.Main()
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "starter:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) != 2 {
		return fmt.Errorf("usage: starter TIMES")
	}
	n, err := strconv.Atoi(os.Args[1])
	if err != nil || n < 1 {
		return fmt.Errorf("%q is not a number of times", os.Args[1])
	}
	took := make([]float64, n+1) // the first does not count
	for i := range took {
		if took[i], err = once(); err != nil {
			return err
		}
	}
	took = took[1:]
	slices.Sort(took)
	return json.NewEncoder(os.Stdout).Encode([]float64{(took[(n-1)/2] + took[n/2]) / 2})
}

func once() (float64, error) {
	ctx := context.Background()
	began := time.Now()
	p, err := multiprocessing.NewPool(multiprocessing.Config{Workers: 1})
	if err != nil {
		return 0, err
	}
	defer p.Close(ctx)
	_, err = braid.Submit(ctx, p, nothing, struct{}{}).Await(ctx)
	return time.Since(began).Seconds(), err
}
