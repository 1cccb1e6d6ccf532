package braid_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"weak"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
)

// Nothing is kept of a call that is complete but its result, and of the result
// nothing without the future.
func TestScenario057_NoStaleReferences(t *testing.T) {
	type object struct{ payload [64]byte }
	for _, ex := range []braid.Executor{nil, engine.NewSerial(nil)} {
		var arg, captured, result weak.Pointer[object]
		future := func() *braid.Future[*object] {
			a, c := new(object), new(object)
			arg, captured = weak.Make(a), weak.Make(c)
			task := braid.Func(func(_ context.Context, in *object) (*object, error) {
				r := new(object)
				r.payload[0] = in.payload[0] + c.payload[0]
				result = weak.Make(r)
				return r, nil
			}, braid.Retry(3), braid.Timeout(1<<40))
			return braid.Submit(bg, ex, task, a)
		}()
		must(t, 0, func() error { _, err := future.Await(bg); return err }())
		collected(t, "the argument", func() bool { return arg.Value() == nil })
		collected(t, "the function", func() bool { return captured.Value() == nil })
		if result.Value() == nil {
			t.Error("the result is gone while its future lives")
		}
		runtime.KeepAlive(future)
		future = nil
		collected(t, "the result", func() bool { return result.Value() == nil })
	}
}

func TestMapKeepsNoResults(t *testing.T) {
	type object struct{ _ [64]byte }
	for _, ordered := range []bool{true, false} {
		var args, results []weak.Pointer[object]
		var mu sync.Mutex
		task := braid.Func(func(_ context.Context, _ *object) (*object, error) {
			r := new(object)
			mu.Lock()
			defer mu.Unlock()
			results = append(results, weak.Make(r))
			return r, nil
		})
		in := func(yield func(*object) bool) {
			for range 6 {
				a := new(object)
				args = append(args, weak.Make(a))
				if !yield(a) {
					return
				}
			}
		}
		n := 0
		for range braid.Map(bg, engine.NewSerial(nil), task, in, braid.Ordered(ordered), braid.Limit(1)) {
			if n++; n < 5 {
				continue
			}
			for i := range 3 { // long since yielded, while the Map goes on
				collected(t, fmt.Sprint("argument ", i), func() bool { return args[i].Value() == nil })
				collected(t, fmt.Sprint("result ", i), func() bool { return results[i].Value() == nil })
			}
		}
	}
}

// A loop over AsCompleted that was left leaves nothing behind with the futures
// that it had not come to.
func TestAsCompletedLeavesNoWatch(t *testing.T) {
	lasting := goOn(bg, forever)
	var w weak.Pointer[braid.Future[int]]
	func() {
		other := goOn(bg, forever)
		w = weak.Make(other)
		for range braid.AsCompleted(bg, lasting, other, value(1)) {
			break
		}
		other.Cancel(nil)
		<-other.Done()
	}()
	collected(t, "a future that another one's watch would hold", func() bool { return w.Value() == nil })
	cancelAll(lasting)
	<-lasting.Done()
}
