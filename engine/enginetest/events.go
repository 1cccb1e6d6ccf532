package enginetest

import (
	"context"
	"errors"
	"math/rand/v2"
	"regexp"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/strand"
)

var eventRules = []rule{
	{"Success", "the events of a call that succeeds are complete and in order", 0, lifeRule("success")},
	{"Failure", "the events of a call that fails are complete and in order", 0, lifeRule("failure")},
	{"Panic", "the events of a call that panics are complete and in order", 0, lifeRule("panic")},
	{"Goexit", "the events of a call that ends its goroutine are complete and in order", 0, lifeRule("Goexit")},
	{"Cancel", "the events of a call that is cancelled while it runs are complete and in order", 0, lifeRule("cancel")},
	{"Refusal", "the events of a call that is refused are complete and in order", 0, lifeRule("refusal")},
	{"Retry", "the events of a call that is retried are complete and in order", 0, lifeRule("retry")},
	{"Closed", "a call that a closed engine refuses has its events too", 0, eventsOfClosed},
	{"Saturated", "a call that a full engine refuses has its events too", refuses | virtual, eventsOfSaturated},
	{"Parked", "the listener is told when a task is parked and what for, and when it goes on", lends, eventsOfParked},
	{"BeforeResult", "Finished comes before the call's future has its result, with the same error", 0, finishedFirst},
	{"Fields", "events say which call of which task, and at which attempt", portable, eventFields},
	{"Partial", "every function of a listener may be nil", 0, partialListeners},
	{"Load", "under any load each call has its own events in order", 0, eventsUnderLoad},
}

// A life is a way for a call to go, and the events that it has but for parking.
type life struct {
	name   string
	policy engine.Policy
	cancel bool // cancel the context before
	run    func(ctx context.Context, cancel func()) error
	want   string
	fails  bool
}

var lives = []life{
	{name: "success", want: "SBF"},
	{name: "failure", want: "SBF", fails: true,
		run: func(context.Context, func()) error { return errMishap }},
	{name: "panic", want: "SBF", fails: true,
		run: func(context.Context, func()) error { panic("events") }},
	{name: "Goexit", want: "SBF", fails: true,
		run: func(context.Context, func()) error { runtime.Goexit(); return nil }},
	{name: "cancel", want: "SBF", fails: true,
		run: func(ctx context.Context, cancel func()) error { cancel(); <-ctx.Done(); return ctx.Err() }},
	{name: "refusal", want: "SF", fails: true, cancel: true},
	{name: "retry", want: "SBYSBYSBF", fails: true,
		policy: engine.Policy{Retry: engine.Retry{Max: 2, Base: 3 * time.Millisecond}},
		run:    func(context.Context, func()) error { return errMishap }},
}

// live lives the life on e, and returns the outcome.
func (l life) live(ex engine.Executor, policy engine.Policy) *probe {
	ctx, cancel := context.WithCancel(context.Background())
	p := newProbeWith(policy, nil)
	if l.run != nil {
		p.run = func(ctx context.Context) error { return l.run(ctx, cancel) }
	}
	if l.cancel {
		cancel()
	}
	ex.Start(ctx, p.call)
	<-p.ended
	cancel()
	return p
}

func lifeRule(name string) func(*trial) {
	return func(t *trial) {
		l := lives[slices.IndexFunc(lives, func(l life) bool { return l.name == name })]
		e, events := t.watch(Config{})
		for range 3 {
			p := l.live(e, l.policy)
			p.once(t)
			if (p.err != nil) != l.fails {
				t.Errorf("the outcome is %v", p.err)
			}
		}
		t.settle()
		if n := len(events.all()); n != 3 {
			t.Errorf("there are events of %d calls; want 3", n)
		}
		for _, es := range events.all() {
			if got := unparked(es); got != l.want {
				t.Errorf("the events are %s; want %s (%s)", got, l.want, legend)
			}
			retriesAnnounced(t, es, l.policy)
		}
	}
}

var parkings = regexp.MustCompile("[PR]+")

// unparked is the word of the events without those of parking.
func unparked(es []entry) string { return parkings.ReplaceAllString(word(es), "") }

// retriesAnnounced checks what Retrying says of the attempt that failed and of
// the pause before the next.
func retriesAnnounced(t *trial, es []entry, policy engine.Policy) {
	t.Helper()
	for _, e := range es {
		if e.kind != retrying {
			continue
		}
		if !errors.Is(e.Err, errMishap) {
			t.Errorf("Retrying says that the failure was %v; want %v", e.Err, errMishap)
		}
		if longest := policy.Retry.Base << (e.Attempt - 1); e.Delay < 0 || e.Delay > longest {
			t.Errorf("Retrying after attempt %d says that the pause is %v; want at most %v", e.Attempt, e.Delay, longest)
		}
	}
}

func eventsOfClosed(t *trial) {
	e, events := t.watch(Config{})
	if err := e.Close(context.Background()); err != nil {
		t.Errorf("Close = %v; want nil", err)
	}
	p := newProbe(nil)
	e.Start(context.Background(), p.call)
	notStarted(t, p.outcome(), engine.ErrClosed)
	onlyRefusal(t, events, p)
}

func eventsOfSaturated(t *trial) {
	g := t.gate()
	e, events := t.watch(Config{Workers: 1, Queue: 1, Refuse: true})
	admitted := t.occupy(e, 1, g)
	queued := newProbe(nil)
	e.Start(context.Background(), queued.call)
	refused := newProbe(nil)
	e.Start(context.Background(), refused.call)
	notStarted(t, refused.outcome(), engine.ErrSaturated)
	g.open()
	for _, p := range append(admitted, queued) {
		p.succeeded(t)
	}
	onlyRefusal(t, events, refused)
}

// onlyRefusal checks that p, which was refused, has one set of events that says
// so with its error.
func onlyRefusal(t *trial, events *ledger, p *probe) {
	t.Helper()
	found := 0
	for _, es := range events.all() {
		if last := es[len(es)-1]; last.kind == finished && last.Err == p.err {
			found++
			if got := word(es); got != "SF" {
				t.Errorf("the events of a refused call are %s; want SF (%s)", got, legend)
			}
		}
	}
	if found != 1 {
		t.Errorf("%d calls have a Finished event with the error of the refused call; want 1", found)
	}
}

func eventsOfParked(t *trial) {
	e, events := t.watch(Config{Workers: 1})
	var event strand.Event
	var mutex strand.Mutex
	_ = mutex.TryLock()
	p := newProbe(func(ctx context.Context) error {
		if err := mutex.Lock(ctx); err != nil {
			return err
		}
		return event.Wait(ctx)
	})
	e.Start(context.Background(), p.call)
	t.eventually("the task waits for the mutex", func() bool { return mutex.Statistics().Waiting == 1 })
	mutex.Unlock()
	t.eventually("the task waits for the event", func() bool { return event.Statistics().Waiting == 1 })
	event.Set()
	p.succeeded(t)
	var ops []strand.Op
	for _, es := range events.all() {
		for _, e := range es {
			if e.kind == parked {
				ops = append(ops, e.Op)
			}
		}
		if got := word(es); got != "SBPRPRF" {
			t.Errorf("the events are %s; want SBPRPRF (%s)", got, legend)
		}
	}
	if len(ops) != 2 || ops[0].Object != any(&mutex) || ops[1].Object != any(&event) {
		t.Errorf("the task was parked for %v; want the mutex and then the event", ops)
	}
}

func finishedFirst(t *trial) {
	var mu sync.Mutex
	var p *probe
	var heard []error
	e := t.deaf(Config{Listener: &engine.Listener{Finished: func(e engine.Event) {
		mu.Lock()
		defer mu.Unlock()
		heard = append(heard, e.Err)
		if p.dones.Load() != 0 {
			t.Error("Finished comes after Done")
		}
	}}})
	for _, result := range []error{nil, errMishap} {
		mu.Lock()
		p, heard = newProbe(func(context.Context) error { return result }), nil
		mu.Unlock()
		e.Start(context.Background(), p.call)
		err := p.outcome()
		mu.Lock()
		if len(heard) != 1 || heard[0] != err {
			t.Errorf("Finished was told %v; want the one outcome %v", heard, err)
		}
		mu.Unlock()
	}
}

func eventFields(t *trial) {
	e, events := t.watch(Config{})
	for _, err := range braid.Map(context.Background(), e, double, numbers(20)) {
		if err != nil {
			t.Error(err)
		}
	}
	t.settle()
	indexes := map[int]bool{}
	for _, es := range events.all() {
		indexes[es[0].Index] = true
		if es[0].Task != "enginetest.double" {
			t.Errorf("the events are of task %q; want enginetest.double", es[0].Task)
		}
	}
	if len(events.all()) != 20 || len(indexes) != 20 {
		t.Errorf("there are events of %d calls with %d indexes; want 20 of each", len(events.all()), len(indexes))
	}
}

func partialListeners(t *trial) {
	count := 0
	var mu sync.Mutex
	tell := func(engine.Event) {
		mu.Lock()
		defer mu.Unlock()
		count++
	}
	for _, listener := range []*engine.Listener{
		nil, {}, {Submitted: tell}, {Started: tell}, {Parked: tell}, {Resumed: tell}, {Retrying: tell}, {Finished: tell},
	} {
		e := t.deaf(Config{Listener: listener})
		for _, l := range lives {
			p := l.live(e, l.policy)
			if (p.err != nil) != l.fails {
				t.Errorf("the outcome of a %s is %v", l.name, p.err)
			}
		}
		p := newProbe(func(ctx context.Context) error { return strand.Sleep(ctx, time.Microsecond) })
		e.Start(context.Background(), p.call)
		p.succeeded(t)
	}
	mu.Lock()
	defer mu.Unlock()
	if count == 0 {
		t.Error("a listener with one function has heard nothing")
	}
}

func eventsUnderLoad(t *trial) {
	e, events := t.watch(Config{Workers: 3})
	const n = 2000
	crowd(n, func(i int) {
		l := lives[rand.IntN(len(lives))]
		policy := l.policy
		policy.Retry.Base = min(policy.Retry.Base, time.Microsecond)
		p := l.live(e, policy)
		p.once(t)
	})
	t.settle()
	words := map[string]int{}
	for _, es := range events.all() {
		words[unparked(es)]++
	}
	total := 0
	for w, k := range words {
		total += k
		if !slices.ContainsFunc(lives, func(l life) bool { return l.want == w }) {
			t.Errorf("%d calls have the events %s (%s)", k, w, legend)
		}
	}
	if total != n {
		t.Errorf("there are events of %d calls, %v; want %d", total, words, n)
	}
}
