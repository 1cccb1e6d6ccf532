package threading

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/go-braid/braid/engine"
)

// all is what is known of the threads of the program.
var all struct {
	sync.Mutex
	started  uint64
	living   map[*Thread]struct{}
	failures map[*failure]struct{} // that nobody has heard of

	// Failures that were reported since the last JoinAll, which has to know of them
	// too: what it returns must not depend on the garbage collector.
	reported []*failure
	more     uint64 // for which there was no room
}

// maxReported is how many failures are kept that were reported: a program that never
// calls JoinAll must not fill its memory with them.
const maxReported = 64

// A failure is what is known of a failed thread whose error nobody has taken yet. It
// does not hold the thread, whose end as garbage says that nobody can join it.
type failure struct {
	number uint64
	host   *engine.Host
	event  engine.Event
}

// begin lists t among the living.
func (t *Thread) begin() {
	all.Lock()
	defer all.Unlock()
	if all.living == nil {
		all.living = make(map[*Thread]struct{})
		all.failures = make(map[*failure]struct{})
	}
	all.started++
	t.number = all.started
	all.living[t] = struct{}{}
}

// leave takes t from the list, and notes its failure. That a thread was cancelled is
// none: whoever cancelled it knows.
func (t *Thread) leave() {
	if t.err != nil && !engine.Cancelled(t.err) {
		t.failure = &failure{
			number: t.number,
			host:   t.call.Host(),
			event:  engine.Event{Call: t.call.ID(), Task: t.name, Attempt: t.call.Attempt(), Err: t.err},
		}
		runtime.AddCleanup(t, (*failure).report, t.failure)
	}
	all.Lock()
	defer all.Unlock()
	if t.failure != nil {
		all.failures[t.failure] = struct{}{}
	}
	delete(all.living, t)
}

// take says that somebody has heard of f.
func (f *failure) take() {
	all.Lock()
	delete(all.failures, f)
	all.Unlock()
}

// report is called on a goroutine of the runtime, when nobody can join the thread.
func (f *failure) report() {
	if f.move() {
		f.host.ReportUnobserved(f.event)
	}
}

// move puts f among the reported failures, and returns false if somebody has heard of
// it.
func (f *failure) move() bool {
	all.Lock()
	defer all.Unlock()
	if _, unheard := all.failures[f]; !unheard {
		return false
	}
	delete(all.failures, f)
	if len(all.reported) < maxReported {
		all.reported = append(all.reported, f)
	} else {
		all.more++
	}
	return true
}

// Threads returns the living threads, in the order of their start, timers that wait
// for their time included. A thread that somebody has joined is not among them.
func Threads() []*Thread {
	all.Lock()
	defer all.Unlock()
	return slices.SortedFunc(maps.Keys(all.living), func(a, b *Thread) int { return cmp.Compare(a.number, b.number) })
}

// JoinAll waits until no thread of the program lives, and returns their failures,
// joined in the order of their start: those of the threads that it has waited for,
// whenever they were started, and of those that have ended since the last JoinAll. It
// leaves out the ones whose error Join has taken, and those that were cancelled, which
// is no failure. Failures that were reported meanwhile, as [SetListener] tells, are
// among them, up to 64; of more than that it returns how many there were.
//
// There are no daemon threads and no others: the end of main ends them all, in
// whatever they do. JoinAll at the end of main makes it wait. A thread that is to
// last as long as the program, as a ticker does, is to be stopped before, or needs a
// context that main cancels.
//
// If ctx is done first, the result says which threads live on, is strand.Err(ctx)
// besides, and joins the failures known by then. A thread that calls JoinAll gets an
// error, since it would wait for itself.
func JoinAll(ctx context.Context) error {
	if self, ok := Current(ctx); ok {
		return fmt.Errorf("threading: JoinAll in the thread %q would wait for itself: call it in main, or join single threads", self.name)
	}
	for {
		threads := Threads()
		if len(threads) == 0 {
			return errors.Join(takeFailures()...)
		}
		err := ended(ctx, threads)
		if err == nil {
			continue // they may have started others
		}
		if threads = Threads(); len(threads) > 0 {
			return errors.Join(append([]error{stillAlive(threads, err)}, takeFailures()...)...)
		}
	}
}

// ended returns when all of the threads have ended.
func ended(ctx context.Context, threads []*Thread) error {
	for _, t := range threads {
		if err := t.wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

// takeFailures returns the failures that nobody has heard of, or only the listener.
func takeFailures() (errs []error) {
	all.Lock()
	defer all.Unlock()
	failures := slices.AppendSeq(all.reported, maps.Keys(all.failures))
	slices.SortFunc(failures, func(a, b *failure) int { return cmp.Compare(a.number, b.number) })
	for _, f := range failures {
		errs = append(errs, f.event.Err)
	}
	if all.more > 0 {
		errs = append(errs, fmt.Errorf("threading: %d more threads have failed, which was reported", all.more))
	}
	clear(all.failures)
	all.reported, all.more = nil, 0
	return errs
}

// stillAlive says in an error which threads JoinAll did not wait for, and why.
func stillAlive(threads []*Thread, why error) error {
	const most = 8 // names are enough to know where to look
	var names []string
	for _, t := range threads {
		if len(names) == most {
			names = append(names, "…")
			break
		}
		names = append(names, fmt.Sprintf("%q", t.name))
	}
	return fmt.Errorf("threading: %d of the threads live on (%s): %w", len(threads), strings.Join(names, ", "), why)
}

// host is what threads that are about to start tell their calls about the engine.
// There is no executor in it: threads are not retried.
var host atomic.Pointer[engine.Host]

func init() { host.Store(newHost(nil)) }

// SetListener has l told what happens to the threads that are started from now on, as
// Config.Listener is of a pool's tasks, and returns the listener that was before. With
// nil, which is the default, nobody is told, and it costs nothing.
//
// Its Unobserved is told of a failure that nobody has heard of, from Join or JoinAll:
// the thread has failed, and nobody can join it any more, which the garbage collector
// finds out, now or later. Without it such a failure is written to slog.Default. If it panics, so is
// the panic, and the program goes on. That a thread was cancelled is no failure.
//
// SetListener may be called at any time, and is best called first of all in main.
func SetListener(l *engine.Listener) (previous *engine.Listener) {
	return host.Swap(newHost(l)).Listener
}

func newHost(l *engine.Listener) *engine.Host { return &engine.Host{Name: "thread", Listener: l} }
