//go:build linux

package multiprocessing_test

import (
	"context"
	"errors"
	"math"
	"os"
	"slices"
	"sync"
	"testing"

	"github.com/go-braid/braid/multiprocessing"
)

func init() {
	tricks["value: add"] = func(_ context.Context, k kit) (int, error) {
		for range k.N {
			k.Number.Add(1)
		}
		return 0, nil
	}
	tricks["value: update"] = func(_ context.Context, k kit) (int, error) {
		for range k.N {
			k.Number.Update(func(n int64) int64 { return n + 2 })
		}
		return 0, nil
	}
	// Moves one from the first element to the last, N times.
	tricks["array: move"] = func(ctx context.Context, k kit) (int, error) {
		for range k.N {
			if err := k.Counts.Update(ctx, func(e []int64) error {
				e[0]--
				e[len(e)-1]++
				return nil
			}); err != nil {
				return 0, err
			}
		}
		return 0, nil
	}
	tricks["array: half"] = func(ctx context.Context, k kit) (int, error) {
		return 0, k.Counts.Update(ctx, func(e []int64) error {
			e[0]--
			k.Ready.Set()
			hang()
			return nil
		})
	}
}

func TestValueAcrossProcesses(t *testing.T) {
	checkShared(t)
	ctx := deadline(t)
	v := made[*multiprocessing.Value[int64]](t)(multiprocessing.NewValue[int64](-6000))
	var ps []*multiprocessing.Process
	for range 2 {
		ps = append(ps, launch(t, ctx, kit{How: "value: add", Number: v, N: 2000}),
			launch(t, ctx, kit{How: "value: update", Number: v, N: 2000}))
	}
	for _, p := range ps {
		if err := p.Join(ctx); err != nil {
			t.Error(err)
		}
	}
	if got := v.Load(); got != 6000 {
		t.Errorf("the value is %d, want 6000", got)
	}
}

type (
	percent uint8
	flag    bool
)

func TestScalars(t *testing.T) {
	checkShared(t)
	scalar[int8](t, 127, 1, -128)
	scalar[uint8](t, 255, 1, 0)
	scalar[percent](t, 40, 2, 42)
	scalar[int16](t, -1, -1, -2)
	scalar[uint16](t, 65535, 2, 1)
	scalar[int32](t, math.MaxInt32, 1, math.MinInt32)
	scalar[uint32](t, 0, math.MaxUint32, math.MaxUint32)
	scalar[int64](t, math.MinInt64, -1, math.MaxInt64)
	scalar[uint64](t, 1, math.MaxUint64, 0)
	scalar(t, 2, -5, -3)
	scalar[uint](t, 2, 5, 7)
	scalar[float32](t, 0.5, 0.25, 0.75)
	scalar(t, 1e300, -2e300, -1e300)

	b := made[*multiprocessing.Array[flag]](t)(multiprocessing.NewArray[flag](3))
	b.Store(1, true)
	if want := []flag{false, true, false}; !slices.Equal(b.Slice(), want) || b.CompareAndSwap(0, true, false) || !b.CompareAndSwap(1, true, false) || bool(b.Load(1)) {
		t.Errorf("bools are %v", b.Slice())
	}
	expectPanic(t, "Add of a bool", func() { b.Add(0, true) })
}

// scalar checks all operations in the middle of three elements, whose neighbours must not
// change, and of a value.
func scalar[T multiprocessing.Scalar](t *testing.T, x, delta, sum T) {
	t.Helper()
	a := made[*multiprocessing.Array[T]](t)(multiprocessing.NewArray[T](3))
	a.Store(0, delta)
	a.Store(2, delta)
	a.Store(1, x)
	var zero T
	if got := a.Load(1); got != x {
		t.Errorf("%T: Load = %v, want %v", x, got, x)
	}
	if got := a.Add(1, delta); got != sum {
		t.Errorf("%T: Add = %v, want %v", x, got, sum)
	}
	if a.CompareAndSwap(1, x, zero) || !a.CompareAndSwap(1, sum, x) {
		t.Errorf("%T: CompareAndSwap compares wrongly", x)
	}
	if s := a.Slice(); len(s) != 3 || s[0] != delta || s[1] != x || s[2] != delta {
		t.Errorf("%T: the elements are %v", x, s)
	}
	v := made[*multiprocessing.Value[T]](t)(multiprocessing.NewValue(x))
	if got := v.Add(delta); got != sum {
		t.Errorf("%T: Add = %v, want %v", x, got, sum)
	}
	v.Store(x)
	if got := v.Update(func(T) T { return delta }); got != delta || v.Load() != delta || !v.CompareAndSwap(delta, x) || v.Load() != x {
		t.Errorf("%T: the value is %v", x, v.Load())
	}
}

func TestFloatsAreCompared(t *testing.T) {
	checkShared(t)
	v := made[*multiprocessing.Value[float64]](t)(multiprocessing.NewValue(math.Copysign(0, -1)))
	if !v.CompareAndSwap(0, math.NaN()) {
		t.Error("-0 is not 0")
	}
	if v.CompareAndSwap(math.NaN(), 1) || !math.IsNaN(v.Load()) {
		t.Error("NaN is NaN")
	}
}

// TestNeighbours: elements that share a word do not disturb each other.
func TestNeighbours(t *testing.T) {
	checkShared(t)
	a := made[*multiprocessing.Array[uint8]](t)(multiprocessing.NewArray[uint8](7))
	var wg sync.WaitGroup
	for i := range a.Len() {
		wg.Go(func() {
			for range 1000 {
				a.Add(i, 1)
				a.Store(i, a.Load(i))
			}
		})
	}
	wg.Wait()
	for i := range a.Len() {
		if got := a.Load(i); got != 1000%256 {
			t.Errorf("element %d is %d", i, got)
		}
	}
}

func TestArrayAcrossProcesses(t *testing.T) {
	checkShared(t)
	ctx := deadline(t)
	a := newCounts(t, 5)
	ps := []*multiprocessing.Process{
		launch(t, ctx, kit{How: "array: move", Counts: a, N: 1000}),
		launch(t, ctx, kit{How: "array: move", Counts: a, N: 1000}),
	}
	for range 200 {
		if err := a.Update(ctx, func(e []int64) error {
			if e[0]+e[4] != 0 {
				t.Errorf("the elements are %v", e)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range ps {
		if err := p.Join(ctx); err != nil {
			t.Error(err)
		}
	}
	if got := a.Load(4); got != 2000 {
		t.Errorf("%d were moved", got)
	}
	boom := errors.New("boom")
	if err := a.Update(ctx, func([]int64) error { return boom }); err != boom {
		t.Errorf("Update = %v", err)
	}
	expectPanic(t, "boom", func() { _ = a.Update(ctx, func([]int64) error { panic("boom") }) })
	if s := a.Statistics(); s.Owner != 0 {
		t.Errorf("%+v", s)
	}
}

func TestArrayUpdaterDies(t *testing.T) {
	checkShared(t)
	ctx := deadline(t)
	a, ready := newCounts(t, 2), newEvent(t)
	p := launch(t, ctx, kit{How: "array: half", Counts: a, Ready: ready})
	if err := ready.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	slay(p)
	if err := a.Update(ctx, func([]int64) error { t.Error("it was called"); return nil }); !errors.Is(err, multiprocessing.ErrOwnerDied) {
		t.Errorf("Update = %v", err)
	}
	for _, want := range []bool{true, false} {
		if err := a.Recover(ctx, func(e []int64, died bool) error {
			if died != want || died && e[0] != -1 {
				t.Errorf("died: %v, the elements are %v", died, e)
			}
			clear(e)
			return nil
		}); err != nil {
			t.Error(err)
		}
	}
	if err := a.Update(ctx, func(e []int64) error { e[1] = 1; return nil }); err != nil {
		t.Error(err)
	}
}

func TestArrayBounds(t *testing.T) {
	checkShared(t)
	a := newCounts(t, 3)
	for _, i := range []int{-1, 3, math.MaxInt} {
		expectPanic(t, "out of range", func() { a.Load(i) })
		expectPanic(t, "out of range", func() { a.Store(i, 1) })
	}
	empty := newCounts(t, 0)
	if empty.Len() != 0 || len(empty.Slice()) != 0 {
		t.Error("an empty array has elements")
	}
	for _, n := range []int{-1, math.MaxInt} {
		if a, err := multiprocessing.NewArray[int64](n); err == nil {
			_ = a.Close()
			t.Errorf("NewArray(%d) succeeded", n)
		}
	}
	_ = a.Close()
	expectPanic(t, "closed", func() { a.Load(0) })
	expectPanic(t, "closed", func() { a.Slice() })
	if err := a.Update(t.Context(), nil); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Update after Close: %v", err)
	}
}
