//go:build unix

package multiprocessing_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/multiprocessing"
)

var (
	nest = braid.Define("test.nest", func(_ context.Context, allowed bool) (string, error) {
		p, err := multiprocessing.NewPool(multiprocessing.Config{Nested: allowed, Workers: 1})
		if err != nil {
			return "", err
		}
		ctx := context.Background()
		defer p.Close(ctx)
		n, err := braid.Submit(ctx, p, square, 12).Await(ctx)
		return strconv.Itoa(n), err
	})
	// tree has a pool at each level, and says which levels there were.
	tree = braid.Define("test.tree", func(ctx context.Context, depth int) (string, error) { return plant(ctx, depth) })
)

func init() { subtree = tree }

// subtree is tree, which cannot name itself.
var subtree *braid.Task[int, string]

func plant(ctx context.Context, depth int) (string, error) {
	if depth == 0 {
		return "leaf", nil
	}
	p, err := multiprocessing.NewPool(multiprocessing.Config{Nested: true, Workers: 2})
	if err != nil {
		return "", err
	}
	defer p.Close(ctx)
	var parts []string
	for s, err := range braid.Map(ctx, p, subtree, func(yield func(int) bool) {
		for range 2 {
			if !yield(depth - 1) {
				return
			}
		}
	}) {
		if err != nil {
			return "", err
		}
		parts = append(parts, s)
	}
	return fmt.Sprintf("(%s)", strings.Join(parts, " ")), nil
}

func TestNested(t *testing.T) {
	ctx, p := deadline(t), newPool(t, multiprocessing.Config{Workers: 1})
	if _, err := braid.Submit(ctx, p, nest, false).Await(ctx); err == nil || !strings.Contains(err.Error(), "Nested: true") {
		t.Errorf("a pool in a worker: %v", err)
	}
	if got, err := braid.Submit(ctx, p, nest, true).Await(ctx); err != nil || got != "144" {
		t.Errorf("a pool in a worker that is allowed: %q, %v", got, err)
	}
	// Workers of workers of workers.
	if got, err := braid.Submit(ctx, p, tree, 2).Await(ctx); err != nil || got != "((leaf leaf) (leaf leaf))" {
		t.Errorf("a tree of pools: %q, %v", got, err)
	}
}
