package asyncio

import (
	"bytes"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// A SlowStep is a coroutine or callback that has held its loop for too long: all
// others wait for it.
type SlowStep struct {
	// Loop is the name of the loop.
	Loop string
	// Held is for how long, at least, the loop has been held when this was noted.
	// The step goes on.
	Held time.Duration
	// Stack is the stack of the goroutine that holds the loop, as
	// runtime.Stack prints it. It is empty if the program has too many
	// goroutines to look for it.
	Stack string
}

// A watchdog looks from outside whether the loop gets on. The loop only counts its
// steps; while it has none to take, the watchdog sleeps.
type watchdog struct {
	loop   *Loop
	count  uint64        // of steps; the loop's own
	step   atomic.Uint64 // count, or 0 while the loop waits
	asleep atomic.Bool
	kick   chan struct{}
	quit   chan struct{}
	gone   sync.WaitGroup
}

func (w *watchdog) start() {
	if w.loop.cfg.SlowStep > 0 {
		w.kick, w.quit = make(chan struct{}, 1), make(chan struct{})
		w.gone.Go(w.watch)
	}
}

func (w *watchdog) stop() {
	if w.quit != nil {
		close(w.quit)
		w.gone.Wait()
	}
}

// begin says that the loop takes a step.
func (w *watchdog) begin() {
	w.count++
	w.step.Store(w.count)
}

// wait says that the loop waits.
func (w *watchdog) wait() { w.step.Store(0) }

// resume says that the loop goes on.
func (w *watchdog) resume() {
	w.begin()
	if w.asleep.Load() && w.asleep.CompareAndSwap(true, false) {
		w.kick <- struct{}{}
	}
}

func (w *watchdog) watch() {
	limit := w.loop.cfg.SlowStep
	timer := time.NewTimer(limit / 4)
	defer timer.Stop()
	var last uint64
	var since time.Time
	reported := false
	for {
		select {
		case <-w.quit:
			return
		case <-timer.C:
		}
		switch step := w.step.Load(); {
		case step == 0:
			w.asleep.Store(true)
			if w.step.Load() != 0 && w.asleep.CompareAndSwap(true, false) {
				break
			}
			select {
			case <-w.quit:
				return
			case <-w.kick:
			}
		case step != last:
			last, since, reported = step, time.Now(), false
		case !reported && time.Since(since) >= limit:
			reported = true
			w.report(SlowStep{Loop: w.loop.cfg.Name, Held: time.Since(since), Stack: w.loop.stackOfHolder()})
		}
		timer.Reset(limit / 4)
	}
}

func (w *watchdog) report(s SlowStep) {
	if f := w.loop.cfg.OnSlowStep; f != nil {
		f(s)
		return
	}
	slog.Warn("asyncio: a step holds the loop, and all other coroutines wait; long computations and blocking calls belong in asyncio.ToThread",
		"loop", s.Loop, "held", s.Held, "stack", s.Stack)
}

// With more goroutines than this, their stacks are not searched: the world stands
// still meanwhile.
const maxSearched = 20_000

// stackOfHolder returns the stack of the goroutine that runs l, from outside. It
// is the one that is on a worker of l and not stopped by a coroutine switch.
func (l *Loop) stackOfHolder() string {
	if runtime.NumGoroutine() > maxSearched {
		return ""
	}
	buf := make([]byte, 1<<20)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) || len(buf) >= 64<<20 {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	mark := fmt.Appendf(nil, "asyncio.(*Loop).serveJobs(%p", l)
	for stack := range bytes.SplitSeq(buf, []byte("\n\n")) {
		header, _, _ := bytes.Cut(stack, []byte("\n"))
		if bytes.Contains(stack, mark) && !bytes.Contains(header, []byte("[coroutine")) {
			return string(stack)
		}
	}
	return ""
}
