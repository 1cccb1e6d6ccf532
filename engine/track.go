package engine

import (
	"sync"
	"sync/atomic"
	"time"
)

// TrackLen is how many attempts a [Track] holds.
const TrackLen = 128

// A Track is where a worker notes the attempts that it runs one after the other, for a
// listener that need not hear of each when it happens, such as a record. To note one costs a
// fraction of what two events do; see [Listener.Track].
//
// It is a ring with one producer, the worker, which takes no lock as long as all goes well. A
// listener may call the exported methods from any goroutine.
type Track struct {
	// state is twice the number of attempts that have ended on the track, and 1 if a further
	// one runs. The worker alone counts up. It may write an entry of the ring from the time
	// at which the attempts up to it have ended until it has counted one more.
	state atomic.Uint64
	watch atomic.Bool // see Watch
	limit uint64      // the worker may note as many in all: head+TrackLen, as it knows
	notes *[TrackLen]Attempt

	collect func()
	closed  atomic.Bool

	mu   sync.Mutex // taken by all but the worker's way through a success
	head uint64     // how many attempts were taken
}

// An Attempt is the first attempt at a call, as it stands on a [Track].
type Attempt struct {
	Call   uint64        // as in [Event]
	Index  int           // as in [Event]
	Queued time.Duration // when it was submitted, as [Event.At]; Start if that is not known
	Start  time.Duration // when its body began to run
	End    time.Duration // when it succeeded, not before Start; 0 if it has not
	kind   *Kind
}

// Task returns the task's name, which is empty for a closure without one.
func (a *Attempt) Task() string { return a.kind.task }

// HasTaskOf reports whether the tasks of both have the same name, as a rule without a look at it.
func (a *Attempt) HasTaskOf(b *Attempt) bool { return a.kind == b.kind || a.kind.task == b.kind.task }

// NewTrack returns an empty track. Collect is called on the goroutine of the worker, and must
// neither block nor call the engine:
//
//   - when there is no room for another attempt: it must call [Track.Take];
//   - when an attempt has begun on a track that is watched;
//   - when the worker is gone: see [Track.Closed].
func NewTrack(collect func()) *Track {
	return &Track{limit: TrackLen, notes: new([TrackLen]Attempt), collect: collect}
}

// Watch says whether collect is to be called with each attempt that begins. What has begun
// before is seen by [Track.Idle], which a listener therefore calls after it.
func (t *Track) Watch(on bool) { t.watch.Store(on) }

// Idle reports whether nothing runs on the track, and nothing is to be taken from it.
func (t *Track) Idle() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.state.Load() == 2*t.head
}

// Closed reports whether the worker is gone, so that nothing is noted any more.
func (t *Track) Closed() bool { return t.closed.Load() }

// Close says that the worker is gone. The worker calls it.
func (t *Track) Close() {
	t.closed.Store(true)
	t.collect()
}

// Take calls f with the attempts that have succeeded since the last Take, in their order,
// in at most two portions, and makes room for others. F must not keep them, and must
// not call the track. Take returns the attempt that ran then, if one did; it has no End.
func (t *Track) Take(f func([]Attempt)) (running Attempt, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.state.Load()
	for t.head < s/2 {
		i := t.head % TrackLen
		n := min(s/2-t.head, TrackLen-i)
		f(t.notes[i : i+n])
		t.head += n
	}
	return t.running(s)
}

// running returns the attempt that runs in a state of the track. It needs mu, by which the
// worker does not use the entry for another attempt.
func (t *Track) running(s uint64) (Attempt, bool) {
	if s%2 == 0 {
		return Attempt{}, false
	}
	a := &t.notes[s/2%TrackLen]
	// But for its end, which the worker may be writing.
	return Attempt{Call: a.Call, Index: a.Index, Queued: a.Queued, Start: a.Start, kind: a.kind}, true
}

// Claim takes the attempt at call off the track if it runs there, and returns it. The
// listener is told of its end by Finished or Retrying, as of others.
func (t *Track) Claim(call uint64) (Attempt, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.state.Load()
	a, ok := t.running(s)
	// It may end meanwhile.
	if !ok || a.Call != call || !t.state.CompareAndSwap(s, s-1) {
		return Attempt{}, false
	}
	return a, true
}

// begin notes that an attempt begins, or reports that it is one for events.
func (t *Track) begin(c *Call, at time.Duration) bool {
	s := t.state.Load()
	if s%2 != 0 || c.attempt != 1 {
		return false // it runs inside another call, or c has failed before
	}
	if s/2 == t.limit && !t.empty() {
		return false
	}
	a := &t.notes[s/2%TrackLen]
	a.Call, a.Index, a.Queued, a.Start, a.kind = c.id, c.index, at-c.waited(at), at, c.kind
	t.state.Store(s + 1)
	if t.watch.Load() {
		t.collect()
	}
	return true
}

// empty has the track emptied, and reports whether there is room now.
func (t *Track) empty() bool {
	t.collect()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.limit = t.head + TrackLen
	return t.state.Load()/2 < t.limit
}

// end notes that the attempt at call has succeeded, or reports that it is not on the track.
func (t *Track) end(call uint64, at time.Duration) bool {
	s := t.state.Load()
	if s%2 == 0 {
		return false
	}
	a := &t.notes[s/2%TrackLen]
	if a.Call != call {
		return false
	}
	a.End = max(at, a.Start)
	return t.state.CompareAndSwap(s, s+1)
}
