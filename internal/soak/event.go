package main

import (
	"encoding/json"
	"os"
	"sync"
)

// What the driver tells the oracle, one event a line.
const (
	evPool    = "pool"    // pool Pool is made; Text describes it
	evSubmit  = "submit"  // call ID is about to be submitted to Pool
	evCancel  = "cancel"  // the driver is about to cancel ID, which may be over
	evLeft    = "left"    // a Map on Pool was left, with the outcomes of its calls unknown
	evDone    = "done"    // the function that was registered for the end of ID was called
	evResult  = "result"  // ID has its outcome
	evFault   = "fault"   // process PID of Pool is about to be hit by Kind in Phase
	evMissed  = "missed"  // it was gone already
	evDeath   = "death"   // Pool says that worker PID has died
	evClosing = "closing" // Pool is about to be closed
	evClosed  = "closed"  // Close has returned; Counts are the pool's own
	evRace    = "race"    // a worker wrote a report of the race detector; Text is its line
	evQuiet   = "quiet"   // a round is over; Goroutines and Heap are the driver's
	evBye     = "bye"     // the driver is about to exit
)

// An event is a line of what the driver tells.
type event struct {
	What  string `json:"e"`
	ID    uint64 `json:"id,omitempty"`
	Pool  int    `json:"pool,omitempty"`
	PID   int    `json:"pid,omitempty"`
	Kind  kind   `json:"kind,omitempty"`
	Phase string `json:"phase,omitempty"`
	Text  string `json:"text,omitempty"`

	// Of a submission.
	Mapped     bool `json:"mapped,omitempty"`     // it is one of a Map
	Idempotent bool `json:"idempotent,omitempty"` // whatever its plan says

	// Of a result.
	Outcome    outcome `json:"outcome,omitempty"`
	NotStarted bool    `json:"notStarted,omitempty"`
	Attempt    int     `json:"attempt,omitempty"` // which attempt failed
	Answer     uint64  `json:"answer,omitempty"`
	Sum        uint32  `json:"sum,omitempty"`
	Len        int     `json:"len,omitempty"`
	Exit       int     `json:"exit,omitempty"`
	Signal     string  `json:"signal,omitempty"`
	Reason     string  `json:"reason,omitempty"`
	OOM        bool    `json:"oom,omitempty"`

	Counts     *counts `json:"counts,omitempty"`
	Goroutines int     `json:"goroutines,omitempty"`
	Heap       uint64  `json:"heap,omitempty"`
}

// counts are a pool's own account.
type counts struct {
	Submitted, Refused, Completed, Deaths, Strays uint64
	Left                                          int // calls and workers that are not gone
	Workers                                       int // how many it may have
}

// A teller sends events in the order in which it is told. It does not block, because
// functions tell it that must not.
type teller struct {
	mu      sync.Mutex
	wake    sync.Cond // there is something to send
	flushed sync.Cond // something was sent
	pending []byte
	told    uint64 // events so far
	sent    uint64 // of these
	over    bool
	done    chan struct{}
}

func newTeller(to *os.File) *teller {
	t := &teller{done: make(chan struct{})}
	t.wake.L, t.flushed.L = &t.mu, &t.mu
	go t.write(to)
	return t
}

func (t *teller) tell(e event) { t.add(e) }

// tellNow tells an event and returns when it is sent: whatever becomes of this process
// now, the oracle knows.
func (t *teller) tellNow(e event) {
	n := t.add(e)
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.sent < n {
		t.flushed.Wait()
	}
}

func (t *teller) add(e event) uint64 {
	line, err := json.Marshal(e)
	if err != nil {
		panic(err) // it is made of numbers and strings
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pending = append(append(t.pending, line...), '\n')
	t.told++
	t.wake.Signal()
	return t.told
}

// close sends the rest.
func (t *teller) close() {
	t.mu.Lock()
	t.over = true
	t.wake.Signal()
	t.mu.Unlock()
	<-t.done
}

func (t *teller) write(to *os.File) {
	defer close(t.done)
	defer to.Close()
	var buf []byte
	for {
		t.mu.Lock()
		for len(t.pending) == 0 && !t.over {
			t.wake.Wait()
		}
		buf, t.pending = t.pending, buf[:0]
		told := t.told
		t.mu.Unlock()
		if len(buf) == 0 {
			return
		}
		if _, err := to.Write(buf); err != nil {
			os.Exit(1) // the oracle is gone
		}
		t.mu.Lock()
		t.sent = told
		t.flushed.Broadcast()
		t.mu.Unlock()
		if cap(buf) > 1<<20 {
			buf = nil
		}
	}
}
