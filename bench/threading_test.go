package main

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-braid/braid/internal/proctest"
)

// Every candidate of every case can do a small piece of its work, and says so much
// as there are measures. The cases themselves check that the work was done.
func TestThreadingCases(t *testing.T) {
	dir, err := unpackPeers()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	python := findThreadsPython(dir)
	cases := []benchCase{
		fireCase(1, 500), fireCase(8, 500),
		resultsCase(1, 2*batchSize, python), resultsCase(3, 3*batchSize, python), collectCase(2, 2*batchSize),
		workCase(41, time.Microsecond),
		mapCase(1001, 100*time.Nanosecond),
		fibCase(9),
		sortCase(5 * serialSort),
		treeCase(2, "nothing", idleLeaf), treeCase(2, "half factorial", mixedLeaf),
		tailCase(300, time.Microsecond),
		sleepCase(60, 20),
	}
	cases = append(cases, primitiveCases(330)...)
	for _, c := range cases {
		for _, p := range append([]candidate{c.braid}, c.peers...) {
			t.Run(c.name+"/"+p.name, func(t *testing.T) {
				if p.absent != "" {
					proctest.Skip(t, "%s: %s", p.name, p.absent)
				}
				values, err := p.run()
				if err != nil {
					t.Fatal(err)
				}
				if len(values) != max(1, len(c.measures)) || !(values[0] > 0) {
					t.Errorf("values %v, want one for each of %d measures", values, max(1, len(c.measures)))
				}
				for _, v := range values {
					if v < 0 || math.IsInf(v, 0) {
						t.Errorf("values %v", values)
					}
				}
			})
		}
	}
}

func TestPartition(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, distinct := range []int{1, 2, 3, 1000} {
		for n := 2; n < 200; n++ {
			v := make([]int, n)
			for i := range v {
				v[i] = rnd.IntN(distinct)
			}
			sorted := slices.Sorted(slices.Values(v))
			cut := partition(v)
			if cut < 1 || cut >= n {
				t.Fatalf("%d of %d numbers are before the cut: the sort would not end", cut, n)
			}
			if slices.Max(v[:cut]) > slices.Min(v[cut:]) {
				t.Fatalf("%v is not parted at %d", v, cut)
			}
			if slices.Sort(v); !slices.Equal(v, sorted) {
				t.Fatalf("the numbers are others: %v, were %v", v, sorted)
			}
		}
	}
}

// The checks of the cases notice what is wrong.
func TestThreadingChecks(t *testing.T) {
	boom := errors.New("boom")
	idle := func(context.Context, nest) error { return nil }
	unsorted := func() (func(context.Context, nest) error, func() error) { return idle, func() error { return boom } }
	if _, err := forkCase("x", unsorted).braid.run(); !errors.Is(err, boom) {
		t.Errorf("a work that is not done: %v", err)
	}

	var l ledger
	var box []int64
	work := exchange(&l, 1,
		func(v int64) error { box = append(box, v+1); return nil },
		func() (int64, error) { v := box[0]; box = box[1:]; return v, nil },
	)
	if err := work(0, 10); err != nil {
		t.Fatal(err)
	}
	if err := l.check(10); err == nil || !strings.Contains(err.Error(), "sum") {
		t.Errorf("a queue that changes what it holds: %v", err)
	}

	m := &meeting{strands: 2}
	if err := m.attend(1, func() error { return nil }); err == nil {
		t.Error("a barrier opened for the first of two")
	}

	in := &inside{strands: 8}
	in.now.Store(permits)
	if err := in.visit(); err == nil {
		t.Error("a semaphore let in more than it has permits")
	}
}

func TestRunSleepersKnowsThePools(t *testing.T) {
	for _, args := range [][3]string{{"pigeons", "1", "1"}, {"braid", "many", "1"}} {
		if err := runSleepers(args[0], args[1], args[2]); err == nil || !strings.Contains(err.Error(), "not a pool") {
			t.Errorf("%q: %v, want an error", args, err)
		}
	}
}

func TestSpinDependsOnItsSeedAndSteps(t *testing.T) {
	if spin(1, 10) == spin(3, 10) || spin(1, 10) == spin(1, 11) {
		t.Error("two spins give the same")
	}
	if stepsFor(time.Microsecond) < 2*stepsFor(100*time.Nanosecond) {
		t.Error("a longer time has not more steps")
	}
}
