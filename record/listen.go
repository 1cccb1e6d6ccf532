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
	return &engine.Listener{
		Submitted:     h.onSubmitted,
		Started:       h.onStarted,
		Parked:        h.onParked,
		Resumed:       h.onResumed,
		Progress:      h.onProgress,
		Retrying:      h.onRetrying,
		Finished:      h.onFinished,
		WorkerStarted: h.onWorkerStarted,
		WorkerStopped: h.onWorkerStopped,
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

func (h *hearer) onSubmitted(engine.Event) {
	if !h.off.Load() {
		h.submitted.Add(1)
	}
}

func (h *hearer) onStarted(e engine.Event) {
	if h.off.Load() {
		return
	}
	at := h.at(&e)
	s := h.shard(e.Worker, e.Call)
	from := h.source(e.Engine)
	if e.Worker <= 0 {
		h.loose.Add(1)
	}
	s.mu.Lock()
	s.left++
	s.add(e.Call).begin(&e, at, from)
	s.mu.Unlock()
	h.stir()
}

// begin says how an attempt begins, or that it does not, at the given time.
func (a *attempt) begin(e *engine.Event, at int64, from *source) {
	a.call, a.start, a.queued, a.index, a.task = e.Call, at, at-int64(e.Waited), e.Index, e.Task
	a.number, a.worker, a.from = int32(e.Attempt), int32(e.Worker), from
}

func (h *hearer) onParked(e engine.Event) {
	s := h.shard(e.Worker, e.Call)
	s.mu.Lock()
	if i := s.find(e.Call); i >= 0 {
		s.runs[i].since = h.at(&e)
	}
	s.mu.Unlock()
}

func (h *hearer) onResumed(e engine.Event) {
	s := h.shard(e.Worker, e.Call)
	s.mu.Lock()
	if i := s.find(e.Call); i >= 0 {
		s.runs[i].resume(h.at(&e))
	}
	s.mu.Unlock()
}

// resume ends a time of waiting.
func (r *running) resume(at int64) {
	if r.since != 0 {
		r.parked += max(at-r.since, 0)
		r.since = 0
	}
}

func (h *hearer) onProgress(e engine.Event) {
	s := h.shard(e.Worker, e.Call)
	s.mu.Lock()
	if i := s.find(e.Call); i >= 0 {
		r := &s.runs[i]
		r.done, r.total, r.moved = e.Done, e.Total, true
	}
	s.mu.Unlock()
}

func (h *hearer) onRetrying(e engine.Event) { h.ended(&e, earlierAttempt) }

func (h *hearer) onFinished(e engine.Event) { h.ended(&e, lastAttempt) }

// maxErrors is how many failures may wait to be written with all that is known of them.
const maxErrors = 8192

// ended takes a note of an attempt that is over.
func (h *hearer) ended(e *engine.Event, kind noteKind) {
	if h.off.Load() {
		h.lost.Add(1)
		return
	}
	at := h.at(e)
	from := h.source(e.Engine)
	err, state := e.Err, byError
	if err != nil && h.errs.Add(1) > maxErrors {
		h.errs.Add(-1)
		err, state = nil, bare
	}
	var used *Usage
	if h.usages.n.Load() > 0 {
		used = h.usages.take(e.Index, e.Attempt)
	}
	var more *rare
	if err != nil || used != nil || e.Delay != 0 {
		more = &rare{err: err, usage: used, delay: int64(e.Delay)}
	}
	s := h.shard(e.Worker, e.Call)
	s.mu.Lock()
	if h.off.Load() { // it went off meanwhile, and may have let go of the notes
		s.mu.Unlock()
		h.lost.Add(1)
		return
	}
	i := s.find(e.Call)
	n := h.note(s)
	if n != nil {
		n.kind, n.state, n.end, n.pid, n.rare = kind, state, at, int32(from.pid(int32(e.Worker))), more
		if i >= 0 {
			r := &s.runs[i]
			r.resume(at)
			n.attempt = r.attempt
		} else {
			n.begin(e, at, from)
			n.state = refused
		}
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
	if n == nil && err != nil {
		h.errs.Add(-1)
	}
	h.stir()
	if e.Worker <= 0 && i >= 0 && h.loose.Add(-1) == 0 && at-h.flushed.Load() > int64(quietPause) {
		h.flushWithin(patience)
	}
}

func (h *hearer) onWorkerStarted(e engine.Event) {
	if h.off.Load() {
		return
	}
	from := h.source(e.Engine)
	if e.PID != 0 {
		from.started(e.Worker, e.PID)
	}
	h.workers.Add(1)
	h.worker(&e, from, workerUp)
	h.stir()
}

func (h *hearer) onWorkerStopped(e engine.Event) {
	if h.off.Load() {
		return
	}
	from := h.source(e.Engine)
	h.worker(&e, from, workerGone)
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
	var more *rare
	if e.Err != nil {
		h.errs.Add(1)
		more = &rare{err: e.Err}
	}
	s := h.shard(e.Worker, 0)
	s.mu.Lock()
	n := h.note(s)
	if n != nil {
		n.kind, n.end, n.pid, n.rare = kind, h.at(e), int32(e.PID), more
		n.from, n.worker = from, int32(e.Worker)
	}
	s.mu.Unlock()
	if n == nil && more != nil {
		h.errs.Add(-1)
	}
}
