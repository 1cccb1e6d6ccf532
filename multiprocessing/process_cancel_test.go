//go:build unix

package multiprocessing_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/internal/proctest"
	"github.com/go-braid/braid/multiprocessing"
)

// A process whose context ends before it has got its call ends nevertheless.
func TestStartIsCancelledAtOnce(t *testing.T) {
	proctest.Check(t)
	for range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		p, err := multiprocessing.Start(ctx, nap, time.Hour)
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Join(t.Context()); !errors.Is(err, context.Canceled) {
			t.Errorf("Join: %v, want that it was cancelled", err)
		}
		if code, ok := p.ExitCode(); !ok || code == 0 {
			t.Errorf("exit code %d, %v", code, ok)
		}
	}
}

// So does one whose argument cannot be written.
func TestStartWithBadArgument(t *testing.T) {
	proctest.Check(t)
	p, err := multiprocessing.Start(t.Context(), takesOdd, odd{})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Join(t.Context()); !errors.Is(err, braid.ErrNotStarted) || !errors.Is(err, errOdd) {
		t.Errorf("Join: %v, want ErrNotStarted and why", err)
	}
}

var (
	errOdd   = errors.New("test: it does not want to")
	takesOdd = braid.Define("test.takesOdd", func(context.Context, odd) (int, error) { return 0, nil })
)

// Odd is a value that cannot be written.
type odd struct{ N int }

func (odd) MarshalBinary() ([]byte, error) { return nil, errOdd }
func (*odd) UnmarshalBinary([]byte) error  { return nil }
