//go:build unix

package multiprocessing_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/multiprocessing"
)

// A venom is a file with a byte for each time that the task has begun. From a number of them on,
// it ends the worker that reads it, before the task begins.
type venom struct {
	File string
	Runs int
	Fail bool // the worker is not ended then, but cannot read it
}

type plainVenom venom

func (v venom) MarshalBinary() ([]byte, error) { return json.Marshal(plainVenom(v)) }

func (v *venom) UnmarshalBinary(b []byte) error {
	if err := json.Unmarshal(b, (*plainVenom)(v)); err != nil {
		return err
	}
	ran, err := os.ReadFile(v.File)
	if err != nil || !multiprocessing.IsWorker() || len(ran) < v.Runs {
		return err
	}
	if v.Fail {
		return errSentinel
	}
	_, err = misbehaving(context.Background(), "kill 9")
	return err
}

// swallow notes that it has begun, and ends its worker.
var swallow = braid.Define("test.swallow", func(ctx context.Context, v venom) (int, error) {
	f, err := os.OpenFile(v.File, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return 0, err
	}
	_, err = f.WriteString("x")
	if err := errors.Join(err, f.Close()); err != nil {
		return 0, err
	}
	return misbehaving(ctx, "kill 9")
}, braid.Idempotent())

// TestRanBefore has a task run in workers that die of it, and then a worker that dies before it
// begins, or cannot read its argument. Then the task has run, and the error does not deny it.
func TestRanBefore(t *testing.T) {
	for _, c := range []struct {
		name string
		runs int
		fail bool
	}{
		{"never", 0, false},
		{"once", 1, false},
		{"twice", 2, false},
		{"never, and cannot be read", 0, true},
		{"twice, and cannot be read", 2, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, p := deadline(t), newPool(t, multiprocessing.Config{Workers: 1})
			check := func(how string, err error) {
				if errors.Is(err, braid.ErrPoison) == c.fail || errors.Is(err, braid.ErrNotStarted) != (c.runs == 0) {
					t.Errorf("%s: the error is %v", how, err)
				}
			}
			dose := func(name string) venom {
				v := venom{filepath.Join(t.TempDir(), name), c.runs, c.fail}
				if err := os.WriteFile(v.File, nil, 0o600); err != nil {
					t.Fatal(err)
				}
				return v
			}
			_, err := braid.Submit(ctx, p, swallow, dose("alone")).Await(ctx)
			check("alone", err)
			n := 0
			for _, err := range braid.Map(ctx, p, swallow, slices.Values([]venom{dose("first"), dose("second"), dose("third")})) {
				check("in a batch", err)
				n++
			}
			if n != 3 {
				t.Errorf("of a batch there are %d outcomes; want 3", n)
			}
		})
	}
}
