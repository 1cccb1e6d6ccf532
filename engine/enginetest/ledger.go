package enginetest

import (
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/go-braid/braid/engine"
)

// The kinds of events of a call, each a letter, so that the events of a call are
// a word and their order is a regular expression.
const (
	submitted = 'S'
	started   = 'B' // begun
	parked    = 'P'
	resumed   = 'R'
	retrying  = 'Y'
	finished  = 'F'
)

// order is what package engine documents of the order of events.
var order = regexp.MustCompile(`^S(B(PR)*)?(YS(B(PR)*)?)*F$`)

// unruly is the order for a task whose raw goroutines park in its name: they
// come in between, and need not come in pairs, but never after the end: see
// Call.AfterBody.
var unruly = regexp.MustCompile(`^S(B[PR]*)?(YS(B[PR]*)?)*F$`)

// A ledger is an account of the events of an engine.
type ledger struct {
	mu    sync.Mutex
	order *regexp.Regexp
	calls map[uint64][]entry
}

type entry struct {
	kind rune
	engine.Event
}

func newLedger() *ledger { return &ledger{order: order, calls: make(map[uint64][]entry)} }

// listener returns a listener that writes to the ledger.
func (l *ledger) listener() *engine.Listener {
	write := func(kind rune) func(engine.Event) {
		return func(e engine.Event) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.calls[e.Call] = append(l.calls[e.Call], entry{kind, e})
		}
	}
	return &engine.Listener{
		Submitted: write(submitted),
		Started:   write(started),
		Parked:    write(parked),
		Resumed:   write(resumed),
		Retrying:  write(retrying),
		Finished:  write(finished),
		// A trial need not await all failures that it provokes.
		Unobserved: func(engine.Event) {},
	}
}

// allowRaw lets raw goroutines park in the name of tasks.
func (l *ledger) allowRaw() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.order = unruly
}

// all returns the events of all calls, those of one call in their order.
func (l *ledger) all() [][]entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all [][]entry
	for _, es := range l.calls {
		all = append(all, es)
	}
	return all
}

// word returns the letters of the events.
func word(es []entry) string {
	var b strings.Builder
	for _, e := range es {
		b.WriteRune(e.kind)
	}
	return b.String()
}

// legend explains the letters of a word.
const legend = "S submitted, B started, P parked, R resumed, Y retrying, F finished"

// verify checks what must be true of the events of every call, all calls being
// complete.
func (l *ledger) verify(t *testing.T) {
	t.Helper()
	for _, es := range l.all() {
		w := word(es)
		if !l.order.MatchString(w) {
			t.Errorf("call %d had the events %s; want them to match %v (%s)", es[0].Call, w, l.order, legend)
			continue
		}
		if err := consistent(es); err != "" {
			t.Errorf("call %d with the events %s (%s): %s", es[0].Call, w, legend, err)
		}
	}
}

// consistent says what is wrong with the events of a call that are in order.
func consistent(es []entry) string {
	first, attempt, worker := es[0], 1, 0
	for i, e := range es {
		switch {
		case e.Call == 0:
			return "an event has no call number"
		case e.Engine == "":
			return "an event does not name the engine"
		case e.Engine != first.Engine || e.Task != first.Task || e.Index != first.Index:
			return "the events disagree about engine, task or index"
		case e.Attempt != attempt:
			return "an event is of the wrong attempt"
		case e.At == 0 || e.At < es[max(i-1, 0)].At:
			return "an event has no time, or one before that of the event before"
		case (e.Err != nil) && e.kind != retrying && e.kind != finished:
			return "an event other than Retrying and Finished has an error"
		}
		switch e.kind {
		case submitted:
			worker = 0
		case started:
			worker = e.Worker
		case retrying:
			if e.Err == nil {
				return "Retrying does not say which failure"
			}
			attempt++
			fallthrough
		default:
			if e.Worker != worker {
				return "the events of an attempt disagree about the worker"
			}
		}
	}
	return ""
}
