//go:build unix

package multiprocessing_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/internal/proctest"
	"github.com/go-braid/braid/multiprocessing"
)

// A call that reaches its Timeout says so, whichever of the two processes sees it first.
func TestTimeoutSaysWhose(t *testing.T) {
	proctest.Check(t)
	p, err := multiprocessing.NewPool(multiprocessing.Config{Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 100 {
				_, err := braid.Submit(t.Context(), p, nap, time.Hour, braid.Timeout(time.Millisecond)).Await(t.Context())
				if te, ok := errors.AsType[*engine.TimeoutError](err); !ok || te.Limit != time.Millisecond {
					t.Errorf("error %v, want that of the Timeout", err)
				}
			}
		})
	}
	wg.Wait()
	if err := p.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
