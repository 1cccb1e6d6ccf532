package main

import (
	"errors"
	"math/big"
	"sync/atomic"
	"time"
)

// The tree of tasks that pyperformance calls async_tree: each task has six
// children, six levels deep, which makes 55,986 of them, and the 46,656 leaves do
// some work. Here and in peers/bodies.py the leaves draw the same numbers, and
// with them the same work.
const (
	branches = 6
	asleep   = 50 * time.Millisecond // the input or output that a leaf waits for
)

// A tree is what the leaves share. They may run in parallel.
type tree struct {
	draws []int // from 1 to 100, one for each leaf

	leaves, slept, bits atomic.Int64
	seen                [101]atomic.Bool
}

// newTree prepares a tree of a depth.
func newTree(depth int) *tree {
	n := 1
	for range depth {
		n *= branches
	}
	t := &tree{draws: make([]int, n)}
	x := uint64(1)
	for i := range t.draws {
		x = (x*1103515245 + 12345) & 0x7fffffff
		t.draws[i] = int(x>>16)%100 + 1
	}
	return t
}

// draw takes the next number.
func (t *tree) draw() int { return t.draws[t.leaves.Add(1)-1] }

func (t *tree) mockIO(sleep func() error) error {
	if err := sleep(); err != nil {
		return err
	}
	t.slept.Add(1)
	return nil
}

// check compares what the leaves did with what their kind should have done.
func (t *tree) check(kind leaf) error {
	slept, bits := kind.want(t.draws)
	return errors.Join(
		expect("leaves", t.leaves.Load(), int64(len(t.draws))),
		expect("leaves that slept", t.slept.Load(), slept),
		expect("bits of all factorials", t.bits.Load(), bits),
	)
}

// A leaf is a kind of work at the leaves.
type leaf struct {
	do func(t *tree, sleep func() error) error
	// want returns how many leaves should sleep, and the bits of all factorials.
	want func(draws []int) (slept, bits int64)
}

// idleLeaf does nothing.
var idleLeaf = leaf{
	do:   func(t *tree, _ func() error) error { t.draw(); return nil },
	want: func([]int) (slept, bits int64) { return 0, 0 },
}

// ioLeaf waits.
var ioLeaf = leaf{
	do:   func(t *tree, sleep func() error) error { t.draw(); return t.mockIO(sleep) },
	want: func(draws []int) (slept, bits int64) { return int64(len(draws)), 0 },
}

// memoizedLeaf waits for a number of which nine in ten are remembered.
var memoizedLeaf = leaf{
	do: func(t *tree, sleep func() error) error {
		if n := t.draw(); n <= 90 && t.seen[n].Swap(true) {
			return nil
		}
		return t.mockIO(sleep)
	},
	want: func(draws []int) (slept, bits int64) {
		var seen [101]bool
		for _, n := range draws {
			if n > 90 || !seen[n] {
				slept++
			}
			seen[n] = true
		}
		return slept, 0
	},
}

// mixedLeaf computes the factorial of 500, or waits.
var mixedLeaf = leaf{
	do: func(t *tree, sleep func() error) error {
		if t.draw() > 50 {
			return t.mockIO(sleep)
		}
		t.bits.Add(int64(new(big.Int).MulRange(1, 500).BitLen()))
		return nil
	},
	want: func(draws []int) (slept, bits int64) {
		const bits500 = 3768 // of the factorial of 500
		for _, n := range draws {
			if n > 50 {
				slept++
			} else {
				bits += bits500
			}
		}
		return slept, bits
	},
}
