//go:build unix

package asyncio_test

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"syscall"

	"github.com/go-braid/braid/asyncio"
)

// A program gets its input, and its output comes back, while other coroutines of the
// loop go on.
func ExampleProcess_Communicate() {
	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		p, err := asyncio.Start(ctx, asyncio.Command{Args: []string{"sort"}})
		if err != nil {
			return err
		}
		out, _, err := p.Communicate(ctx, []byte("pear\napple\n"))
		fmt.Printf("%s", out)
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// apple
	// pear
}

// A conversation with a program, which ends with the context that it was started
// with, as all of its process group does.
func ExampleStart() {
	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		p, err := asyncio.Start(ctx, asyncio.Command{
			Args: []string{"sh", "-c", `while read name; do echo "hello $name"; done; sleep 1000`},
		})
		if err != nil {
			return err
		}
		answers := bufio.NewScanner(p.Stdout)
		for _, name := range []string{"Ada", "Grace"} {
			fmt.Fprintln(p.Stdin, name)
			answers.Scan()
			fmt.Println(answers.Text())
		}
		cancel()
		fmt.Println(p.Wait(context.WithoutCancel(ctx)) != nil)
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// hello Ada
	// hello Grace
	// true
}

// A loop that works until it is told to stop.
func ExampleSignals() {
	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		signals := asyncio.Signals(ctx, syscall.SIGHUP, syscall.SIGTERM)
		defer signals.Close()
		for _, sig := range []syscall.Signal{syscall.SIGHUP, syscall.SIGTERM} {
			raise(sig) // as somebody else would
			sig, err := signals.Next(ctx)
			if err != nil {
				return err
			}
			fmt.Println(sig)
		}
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// hangup
	// terminated
}
