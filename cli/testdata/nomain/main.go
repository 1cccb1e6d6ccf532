// A program that runs the command without what worker processes need.
package main

import (
	"context"
	"os"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/cli"
)

var _ = braid.Define("echo", func(_ context.Context, s string) (string, error) { return s, nil })

func main() {
	os.Exit(cli.Run(context.Background(), os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
}
