package record

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-braid/braid/engine"
)

// quietPause is the time after which a log is written again because nothing runs. See To.
const quietPause = 10 * time.Millisecond

// patience is how long a listener waits for a file.
const patience = time.Second

// listen returns a listener that takes notes of what it hears, from one engine or, if from
// is nil, from any, which it tells apart by their names.
func (l *Log) listen(from *source) *engine.Listener {
	h := &hearer{Log: l, only: from}
	// An Event is large: a method as a function would have it copied once more.
	return &engine.Listener{
		Submitted:     func(engine.Event) { h.submitted.Add(1) },
		Started:       func(e engine.Event) { h.start(&e) },
		Parked:        func(e engine.Event) { h.park(&e) },
		Resumed:       func(e engine.Event) { h.resume(&e) },
		Progress:      func(e engine.Event) { h.progress(&e) },
		Retrying:      func(e engine.Event) { h.end(&e, earlierAttempt) },
		Finished:      func(e engine.Event) { h.end(&e, lastAttempt) },
		WorkerStarted: func(e engine.Event) { h.workerStarted(&e) },
		WorkerStopped: func(e engine.Event) { h.workerStopped(&e) },
		Queued:        &h.submitted,
		Track:         h.track,
	}
}

// A hearer is a listener of a log.
type hearer struct {
	*Log
	only *source
	last atomic.Pointer[source] // the one that was heard last
	mu   sync.Mutex
	all  map[string]*source
}

// source returns the engine of an event.
func (h *hearer) source(name string) *source {
	if h.only != nil {
		return h.only
	}
	if s := h.last.Load(); s != nil && s.name == name {
		return s
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.all[name]
	if s == nil {
		if h.all == nil {
			h.all = make(map[string]*source)
		}
		s = h.introduce(Engine{Time: h.Now(), Name: name})
		h.all[name] = s
	}
	h.last.Store(s)
	return s
}

// shard returns where the notes of a worker, or of a call that runs on none, are kept.
func (l *Log) shard(worker int, call uint64) *shard {
	if worker <= 0 {
		return &l.shards[workerShards+call%looseShards]
	}
	return &l.shards[worker%workerShards]
}

// at returns when an event was, on the clock of the log.
func (l *Log) at(e *engine.Event) int64 { return int64(e.At) - l.began }

func (h *hearer) start(e *engine.Event) {
	if h.off.Load() {
		return
	}
	at := h.at(e)
	s := h.shard(e.Worker, e.Call)
	from := h.source(e.Engine)
	if e.Worker <= 0 {
		h.loose.Add(1)
	}
	s.mu.Lock()
	s.left++
	s.add(e.Call).begin(e, at, s.fit(from, int32(e.Worker), e.Task))
	s.mu.Unlock()
	h.stir()
}

// begin says how an attempt begins, or that it does not, at the given time.
func (a *attempt) begin(e *engine.Event, at int64, form *form) {
	a.call, a.start, a.queued, a.parked = e.Call, at, at-int64(e.Waited), 0
	a.index, a.number, a.form = e.Index, int32(e.Attempt), form
}

// find returns where the attempt of an event is in the runs of its shard, which it may come to
// by that, or -1.
func (h *hearer) find(s *shard, e *engine.Event) int {
	if i := s.find(e.Call); i >= 0 {
		return i
	}
	return h.claim(s, e.Call)
}

func (h *hearer) park(e *engine.Event) {
	s := h.shard(e.Worker, e.Call)
	s.mu.Lock()
	if i := h.find(s, e); i >= 0 {
		s.runs[i].since = h.at(e)
	}
	s.mu.Unlock()
}

func (h *hearer) resume(e *engine.Event) {
	s := h.shard(e.Worker, e.Call)
	s.mu.Lock()
	if i := h.find(s, e); i >= 0 {
		s.runs[i].resume(h.at(e))
	}
	s.mu.Unlock()
}

// isPlain reports whether the line of an attempt that has succeeded says nothing that is left
// out of most.
func (r *running) isPlain() bool {
	return r.number == 1 && r.since == 0 && r.parked < int64(time.Microsecond) && !r.form.from.remote.Load()
}

// resume ends a time of waiting.
func (r *running) resume(at int64) {
	if r.since != 0 {
		r.parked += max(at-r.since, 0)
		r.since = 0
	}
}

func (h *hearer) progress(e *engine.Event) {
	s := h.shard(e.Worker, e.Call)
	s.mu.Lock()
	if i := h.find(s, e); i >= 0 {
		r := &s.runs[i]
		r.done, r.total, r.moved = e.Done, e.Total, true
	}
	s.mu.Unlock()
}

// maxErrors is how many failures may wait to be written with all that is known of them.
const maxErrors = 8192

// end takes a note of an attempt that is over.
func (h *hearer) end(e *engine.Event, kind noteKind) {
	at := h.at(e)
	var used *Usage
	if h.usages.n.Load() > 0 {
		used = h.usages.take(e.Index, e.Attempt)
	}
	s := h.shard(e.Worker, e.Call)
	s.mu.Lock()
	if h.off.Load() { // then it may have let go of the notes
		s.mu.Unlock()
		h.lost.Add(1)
		return
	}
	for _, t := range s.tracks {
		h.take(s, t) // what came before stands before it
	}
	i := h.find(s, e)
	if i >= 0 {
		at = max(at, s.runs[i].start) // the engine's clock may have gone back a little
	}
	switch k := h.room(s); {
	case k == nil:
	case i >= 0 && kind == lastAttempt && e.Err == nil && used == nil && s.runs[i].isPlain():
		s.succeed(&s.runs[i].attempt, at)
		if h.keeps.Load() {
			k.ended = append(k.ended, e.Index)
		}
	default:
		n := s.note()
		n.kind, n.end, n.usage, n.delay = kind, at, used, int64(e.Delay)
		switch {
		case e.Err == nil:
		case h.errs.Add(1) <= maxErrors:
			n.err = e.Err
		default:
			h.errs.Add(-1)
			n.state = bare
		}
		if i >= 0 {
			r := &s.runs[i]
			r.resume(at)
			n.attempt = r.attempt
		} else {
			n.begin(e, at, s.fit(h.source(e.Engine), int32(e.Worker), e.Task))
			n.state = refused
		}
		n.pid = int32(n.form.from.pid(n.form.worker))
	}
	if i >= 0 {
		s.remove(i)
	} else {
		s.left++
	}
	switch {
	case kind != lastAttempt:
	case e.Err == nil:
		s.done++
	default:
		s.failed++
	}
	s.mu.Unlock()
	if i < 0 { // otherwise it is up since the attempt began
		h.stir()
	}
	if e.Worker <= 0 && i >= 0 && h.loose.Add(-1) == 0 && at-h.flushed.Load() > int64(quietPause) {
		h.flushWithin(patience)
	}
}

func (h *hearer) workerStarted(e *engine.Event) {
	if h.off.Load() {
		return
	}
	from := h.source(e.Engine)
	if e.PID != 0 {
		from.started(e.Worker, e.PID)
	}
	h.workers.Add(1)
	h.worker(e, from, workerUp)
	h.stir()
}

func (h *hearer) workerStopped(e *engine.Event) {
	if h.off.Load() {
		return
	}
	from := h.source(e.Engine)
	h.worker(e, from, workerGone)
	h.stir()
	if e.PID != 0 {
		from.stopped(e.Worker, e.PID)
	}
	// A pool whose workers could not start reports their ends alone.
	if h.workers.Add(-1) <= 0 {
		h.flushWithin(patience)
	}
}

// worker takes a note of the beginning or the end of a worker.
func (h *hearer) worker(e *engine.Event, from *source, kind noteKind) {
	if e.Err != nil {
		h.errs.Add(1)
	}
	s := h.shard(e.Worker, 0)
	s.mu.Lock()
	k := h.room(s)
	if k != nil {
		n := s.note()
		n.kind, n.end, n.pid, n.err = kind, h.at(e), int32(e.PID), e.Err
		n.form = s.fit(from, int32(e.Worker), "")
	}
	s.mu.Unlock()
	if k == nil && e.Err != nil {
		h.errs.Add(-1)
	}
}
