//go:build unix

package multiprocessing_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/multiprocessing"
)

var length = braid.Define("test.length", func(_ context.Context, b []byte) (int, error) { return len(b), nil })

// TestTimeoutInTransfer: a call whose time is over before its argument has arrived ends,
// and is not begun again and again at the cost of a worker each time.
func TestTimeoutInTransfer(t *testing.T) {
	for _, pipes := range []bool{false, true} {
		ctx := deadline(t)
		p := newPool(t, multiprocessing.Config{Workers: 1, Pipes: pipes, Grace: -1})
		_, err := braid.Submit(ctx, p, length, make([]byte, 64<<20), braid.Timeout(time.Nanosecond)).Await(ctx)
		if !engine.Interrupted(err) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("pipes %v: %v, want that the time is over", pipes, err)
		}
		if s := p.Statistics(); s.Deaths > 1 {
			t.Errorf("pipes %v: it cost %d workers", pipes, s.Deaths)
		}
		if n, err := braid.Submit(ctx, p, length, make([]byte, 10)).Await(ctx); n != 10 || err != nil {
			t.Errorf("pipes %v: the next call: %d, %v", pipes, n, err)
		}
	}
}
