package enginetest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/strand"
)

var admitRules = []rule{
	{"Results", "a call's future has the result of its own task", portable, results},
	{"Futures", "every future is complete, whoever submits and how many", portable, futures},
	{"ErrorsSayWhere", "the error of a failed call is a TaskError that says which task failed where", portable, errorsSayWhere},
	{"ErrorsKeepIdentity", "the error that a task returns is found with errors.Is and errors.As", 0, errorsKeepIdentity},
	{"ErrorsOfOthers", "the error of a task that has run never says that it was not started, whatever the task returns", 0, errorsOfOthers},
	{"ExactlyOnce", "a call runs once and is completed once", 0, exactlyOnce},
	{"Returns", "Start returns when the call is admitted, not when it is complete", concurrent, startReturns},
	{"ReturnsComplete", "Start returns when the call is complete", serial, startReturnsComplete},
	{"ReturnsAfterRetries", "Start returns when the call is complete, its further attempts included", serial, startReturnsAfterRetries},
	{"Context", "the body's context has the values and the deadline of the submitter's", 0, contextArrives},
	{"ContextDone", "a call whose context is done is refused with the error of the context, and does not run", 0, contextDone},
	{"Hooks", "what OnDone has registered is called once, in order, after Done, with the same outcome", 0, hooks},
	{"Parker", "a body parks itself, not the strand that has submitted it", 0, parkerStays},
}

func results(t *trial) {
	e := t.open(Config{})
	var futures []*braid.Future[int]
	for i := range 100 {
		futures = append(futures, braid.Submit(context.Background(), e, double, i))
	}
	values, err := braid.Gather(context.Background(), futures...)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range values {
		if v != 2*i {
			t.Errorf("the result of call %d is %d; want %d", i, v, 2*i)
		}
	}
}

func futures(t *trial) {
	e := t.deaf(Config{})
	const n = 10000
	var sum atomic.Int64
	crowd(n, func(i int) {
		v, err := braid.Submit(context.Background(), e, double, i).Await(context.Background())
		if err != nil {
			t.Errorf("call %d: %v", i, err)
		}
		sum.Add(int64(v))
	})
	if got, want := sum.Load(), int64(n*(n-1)); got != want {
		t.Errorf("the sum of all results is %d; want %d", got, want)
	}
}

func errorsSayWhere(t *trial) {
	e, events := t.watch(Config{})
	_, err := braid.Submit(context.Background(), e, fail, "no such luck").Await(context.Background())
	te, ok := errors.AsType[*braid.TaskError](err)
	if !ok {
		t.Fatalf("the error %v is a %T; want a *braid.TaskError", err, err)
	}
	if te.Task != "enginetest.fail" || te.Engine == "" || te.Attempt != 1 {
		t.Errorf("the error says task %q, engine %q, attempt %d; want enginetest.fail, a name, 1", te.Task, te.Engine, te.Attempt)
	}
	if !strings.Contains(err.Error(), "no such luck") {
		t.Errorf("the text %q does not tell that of the task's error", err)
	}
	for _, es := range events.all() {
		if last := es[len(es)-1]; last.Engine != te.Engine || last.Worker != te.Worker {
			t.Errorf("the error says worker %d of %q, the events say %d of %q", te.Worker, te.Engine, last.Worker, last.Engine)
		}
	}
}

func errorsKeepIdentity(t *trial) {
	e := t.open(Config{})
	sentinel := errors.New("sentinel")
	for name, cause := range map[string]error{
		"plain":   sentinel,
		"wrapped": fmt.Errorf("reading: %w", sentinel),
		"typed":   &fs.PathError{Op: "open", Path: "there", Err: sentinel},
		"joined":  errors.Join(errors.New("another"), sentinel),
	} {
		_, err := braid.Go(context.Background(), e, func(context.Context) (int, error) {
			return 0, cause
		}).Await(context.Background())
		matches(t, err, sentinel)
		if pe, ok := errors.AsType[*fs.PathError](err); name == "typed" && (!ok || pe != cause) {
			t.Errorf("errors.As finds %v in the error; want the task's own *fs.PathError", pe)
		}
		if errors.Is(err, engine.ErrNotStarted) {
			t.Errorf("the error of a task that has run matches ErrNotStarted: %v", err)
		}
	}
}

// errorsOfOthers has a task pass on the failure of another call.
func errorsOfOthers(t *trial) {
	e := t.open(Config{})
	other := &engine.NotStartedError{Err: engine.ErrSaturated}
	for _, err := range []error{other, fmt.Errorf("asking another: %w", other)} {
		p := newProbe(func(context.Context) error { return err })
		e.Start(context.Background(), p.call)
		matches(t, p.outcome(), engine.ErrSaturated)
		p.ran(t, 1)
	}
}

func exactlyOnce(t *trial) {
	e := t.deaf(Config{})
	probes := make([]*probe, 10000)
	boom := errors.New("boom")
	crowd(len(probes), func(i int) {
		probes[i] = newProbe(func(context.Context) error {
			if i%3 == 0 {
				return boom
			}
			return nil
		})
		e.Start(context.Background(), probes[i].call)
	})
	for i, p := range probes {
		if err := p.outcome(); errors.Is(err, boom) != (i%3 == 0) {
			t.Errorf("the outcome of call %d is %v", i, err)
		}
	}
	t.settle() // a second completion may come late
	for _, p := range probes {
		p.ran(t, 1)
	}
}

func startReturns(t *trial) {
	e := t.open(Config{})
	g := t.gate()
	p := newProbe(g.hold)
	e.Start(context.Background(), p.call) // hangs if it waits for the body
	<-p.begun
	if isClosed(p.ended) {
		t.Error("the call is complete before its body has returned")
	}
	g.open()
	p.succeeded(t)
}

func startReturnsComplete(t *trial) {
	e := t.open(Config{})
	for range 100 {
		p := newProbe(nil)
		e.Start(context.Background(), p.call)
		if !isClosed(p.ended) {
			t.Fatal("Start has returned before the call was complete")
		}
		p.succeeded(t)
	}
}

func startReturnsAfterRetries(t *trial) {
	e := t.open(Config{})
	var attempts atomic.Int32
	p := newProbeWith(engine.Policy{Retry: engine.Retry{Max: 2, Base: -1}}, func(context.Context) error {
		if attempts.Add(1) < 3 {
			return errors.New("not yet")
		}
		return nil
	})
	e.Start(context.Background(), p.call)
	if !isClosed(p.ended) {
		t.Errorf("Start has returned after %d of 3 attempts, before the call was complete", attempts.Load())
	}
	if err := p.outcome(); err != nil {
		t.Error(err)
	}
	p.ran(t, 3)
}

type contextKey struct{}

func contextArrives(t *trial) {
	e := t.open(Config{})
	ctx, cancel := context.WithTimeout(context.WithValue(context.Background(), contextKey{}, "value"), patience)
	defer cancel()
	want, _ := ctx.Deadline()
	p := newProbe(func(ctx context.Context) error {
		if v := ctx.Value(contextKey{}); v != "value" {
			t.Errorf("the body's context has the value %v; want that of the submitter's", v)
		}
		if got, ok := ctx.Deadline(); !ok || !got.Equal(want) {
			t.Errorf("the body's context has the deadline %v; want that of the submitter's, %v", got, want)
		}
		if ctx.Err() != nil {
			t.Errorf("the body begins with a context that is done: %v", strand.Err(ctx))
		}
		return nil
	})
	e.Start(ctx, p.call)
	p.succeeded(t)
}

func contextDone(t *trial) {
	e := t.open(Config{})
	why := errors.New("never mind")
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(why)
	p := newProbe(nil)
	e.Start(ctx, p.call)
	notStarted(t, p.outcome(), context.Canceled, why)
	p.ran(t, 0)
}

func hooks(t *trial) {
	e := t.open(Config{})
	boom := errors.New("boom")
	for _, result := range []error{nil, boom} {
		p := newProbe(func(context.Context) error { return result })
		calls := make(chan int, 8)
		for i := range 3 {
			p.call.OnDone(func(err error) {
				if p.dones.Load() != 1 {
					t.Error("a hook was called before Done")
				} else if err != p.err {
					t.Errorf("a hook got the outcome %v; Done got %v", err, p.err)
				}
				calls <- i
			})
		}
		e.Start(context.Background(), p.call)
		got := []int{<-calls, <-calls, <-calls}
		if !slices.Equal(got, []int{0, 1, 2}) {
			t.Errorf("the hooks were called in the order %v; want that of registration", got)
		}
		t.settle()
		if len(calls) > 0 {
			t.Error("a hook was called twice")
		}
	}
}

// parkerStays submits from a strand with a parker of its own, calls whose bodies
// park in several ways, in a first attempt and in a second.
func parkerStays(t *trial) {
	e := t.open(Config{})
	foreign := &foreignParker{}
	ctx := strand.WithParker(context.Background(), foreign)
	var event strand.Event
	p := newProbeWith(engine.Policy{Retry: engine.Retry{Max: 1, Base: -1}}, func(ctx context.Context) error {
		_ = strand.Sleep(ctx, 1)
		event.Clear()
		go event.Set()
		_ = event.Wait(ctx)
		return errors.New("again")
	})
	// Not awaited on the foreign strand, which may well park in Start.
	<-spawn(ctx, e, p.call)
	_ = p.outcome()
	p.ran(t, 2)
	for _, op := range foreign.ops() {
		if op.Kind == strand.OpSleep || op.Object == &event {
			t.Errorf("a body has parked the strand that has submitted it: %v", op)
		}
	}
}
