//go:build unix

package multiprocessing_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/internal/codec"
	"github.com/go-braid/braid/multiprocessing"
)

// handles is a value that holds open files.
type handles struct {
	codec.Carrier
	files []*os.File
}

func (h handles) MarshalCBOR() ([]byte, error) {
	for _, f := range h.files {
		if _, err := codec.AttachFile(f); err != nil {
			return nil, err
		}
	}
	b, err := json.Marshal(len(h.files))
	if err != nil || len(b) > 23 {
		return nil, err
	}
	return append([]byte{0x40 | byte(len(b))}, b...), nil // a byte string
}

func (h *handles) UnmarshalCBOR(b []byte) error {
	var n int
	if err := json.Unmarshal(b[1:], &n); err != nil {
		return err
	}
	for i := range n {
		f, err := codec.TakeFile(i)
		if err != nil {
			return err
		}
		h.files = append(h.files, f)
	}
	return nil
}

func (h handles) close() {
	for _, f := range h.files {
		f.Close()
	}
}

func open(t testing.TB, n int) handles {
	t.Helper()
	var h handles
	t.Cleanup(func() { h.close() })
	for range n {
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		h.files = append(h.files, f)
	}
	return h
}

var (
	passOn = braid.Define("test.passOn", func(_ context.Context, h handles) (handles, error) { return h, nil })
	tally  = braid.Define("test.tally", func(_ context.Context, h handles) (int, error) { return len(h.files), nil })
	hand   = braid.Define("test.hand", func(_ context.Context, n int) (handles, error) {
		var h handles
		for range n {
			f, err := os.Open(os.DevNull)
			if err != nil {
				return h, err
			}
			h.files = append(h.files, f)
		}
		return h, nil
	})
)

// TestFiles: files go there and back. Those that cannot fail their call alone.
func TestFiles(t *testing.T) {
	for _, pipes := range []bool{false, true} {
		t.Run(map[bool]string{false: "ring", true: "pipes"}[pipes], func(t *testing.T) {
			ctx, p := context.Background(), newPool(t, multiprocessing.Config{Workers: 2, Pipes: pipes, Output: hush})
			stop := beside(t, p)
			defer stop()
			for _, n := range []int{0, 1, 7} {
				h, err := outcome(t, braid.Submit(ctx, p, passOn, open(t, n)))
				if err != nil || len(h.files) != n {
					t.Errorf("%d files: %d came back, %v", n, len(h.files), err)
				}
				h.close()
			}
			closed := open(t, 1)
			closed.close()
			for name, h := range map[string]handles{"closed": closed, "too many": open(t, 201)} {
				_, err := outcome(t, braid.Submit(ctx, p, tally, h))
				if c, ok := errors.AsType[*engine.CodecError](err); !ok || c.Phase != engine.PhaseSubmit || !errors.Is(err, braid.ErrNotStarted) {
					t.Errorf("%s: %v", name, err)
				}
			}
			_, err := outcome(t, braid.Submit(ctx, p, hand, 201))
			if c, ok := errors.AsType[*engine.CodecError](err); !ok || c.Phase != engine.PhaseEncode {
				t.Errorf("too many in a result: %v", err)
			}
			if got := p.Statistics().Deaths; got != 0 {
				t.Errorf("%d workers died", got)
			}
		})
	}
}

// TestFilesBeyondTheLimit: a worker that has no descriptors left for the files of an
// argument is lost; the call is not tried for ever.
func TestFilesBeyondTheLimit(t *testing.T) {
	p := newPool(t, multiprocessing.Config{Workers: 1, OpenFiles: 24, Output: hush})
	_, err := outcome(t, braid.Submit(context.Background(), p, tally, open(t, 100)))
	if !errors.Is(err, braid.ErrNotStarted) || !errors.Is(err, braid.ErrPoison) {
		t.Errorf("the call: %v", err)
	}
	wantSquare(t, p)
	if got, err := outcome(t, braid.Submit(context.Background(), p, tally, open(t, 2))); err != nil || got != 2 {
		t.Errorf("a call with few files: %d, %v", got, err)
	}
}

// TestFilesAndDeath: files on their way to or from a worker that dies are closed.
func TestFilesAndDeath(t *testing.T) {
	p := newPool(t, multiprocessing.Config{Workers: 1, Grace: -1, Output: hush})
	for range 10 {
		f := braid.Submit(context.Background(), p, passOn, open(t, 50), braid.Timeout(time.Millisecond))
		if h, err := outcome(t, f); err == nil {
			h.close()
		}
	}
}
