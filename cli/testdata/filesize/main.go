package main

import (
	"context"
	"os"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/cli"
)

var size = braid.Define("size", func(ctx context.Context, path string) (int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}, braid.Doc("file → its size"))

func main() { cli.Main() }
