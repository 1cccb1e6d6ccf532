package multiprocessing

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/internal/codec"
	"github.com/go-braid/braid/internal/waitq"
	"github.com/go-braid/braid/internal/wire"
	"github.com/go-braid/braid/strand"
)

// A job is a call in a pool, from its admission to its end.
type job struct {
	pool   *Pool
	call   *engine.Call
	body   engine.Portable
	batch  bool
	ctx    context.Context
	cancel context.CancelCauseFunc
	stop   func() bool      // takes back the watch on ctx, while it is in the queue
	node   waitq.Node[*job] // in pool.waiting

	// Of the attempt, written by who assigns it.
	seq    uint64
	run    context.Context
	worker *worker
	watch  func() bool
	begin  int // the first item that was sent last
	sent   int // and the first that was not

	next   int // the first item without outcome; under worker.recv
	kills  int // workers that died of that item
	losses int // and workers that died before they began it

	timers [2]*time.Timer // under worker.mu: until SIGTERM and SIGKILL
}

// refuse completes a job that will not run.
func (j *job) refuse(err error) {
	j.call.Refuse(err)
	j.cancel(nil)
}

// assign gives j to w, which is busy with it from now on. It reports false if the call
// has come to its end instead, or waits again, and w is free.
func (j *job) assign(w *worker) bool {
	// Who hears of the outcome, whatever it is, finds the worker free.
	j.call.AfterBody(func() { j.pool.freed(w) })
	run, ok := j.call.Begin(j.ctx, w.number)
	if !ok {
		j.cancel(nil)
		return false
	}
	j.run, j.worker, j.seq = run, w, j.pool.seq.Add(1)
	h := wire.Header{Kind: kindCall, Seq: j.seq}
	buf := buffers.Get().(*buffer)
	defer buf.free()
	m, err := j.encode(w, buf)
	if err != nil {
		j.call.NotRun(&engine.CodecError{Phase: engine.PhaseSubmit, Err: err})
		j.cancel(nil)
		return false
	}
	if j.batch {
		h.Flags |= flagBatch
	}
	w.label.Store(&label{task: j.call.Spec().Task, index: j.call.Spec().Index, attempt: j.call.Attempt()})
	if m.Files != nil {
		h.Flags |= flagFiles
		if err := w.control.SendFiles(wire.Header{Kind: kindFiles, Seq: j.seq}, m.Files...); err != nil {
			return j.unsent(w, err)
		}
	}
	w.mu.Lock() // an interrupt waits until there is something to interrupt
	if w.dead {
		w.mu.Unlock()
		return j.unsent(w, wire.ErrGone)
	}
	w.job.Store(j)
	j.watch = context.AfterFunc(run, j.interrupt)
	w.mu.Unlock()
	if j.pool.aborted.Load() {
		j.cancel(engine.ErrClosed)
	}
	if err := w.data.Send(h, m.Small, m.Bulk); err != nil {
		if errors.Is(err, wire.ErrTooLarge) && w.release(j) {
			j.stopWatch()
			return j.unsent(w, err)
		}
		w.kill() // it is dead or dying, and who buries it takes care of the call
	}
	return true
}

// unsent deals with a call that did not reach its worker.
func (j *job) unsent(w *worker, err error) bool {
	if errors.Is(err, wire.ErrTooLarge) || errors.Is(err, wire.ErrFiles) {
		j.call.NotRun(&engine.CodecError{Phase: engine.PhaseSubmit, Err: err})
		j.cancel(nil)
		return false
	}
	// The worker is dead or dying.
	j.call.Restart(&engine.NotStartedError{Err: err})
	j.pool.requeue(j)
	w.kill()
	return true
}

// maxParcel is the size, in bytes, beyond which no further item of a batch is sent before
// those sent are done.
const maxParcel = 4 << 20

// encode writes the call; of a batch, what fits.
func (j *job) encode(w *worker, buf *buffer) (m engine.Message, err error) {
	defer func() { buf.b = m.Small }()
	n := j.body.Len()
	h := callHeader{task: j.call.Spec().Task, attempt: j.call.Attempt(), items: n - j.next, first: j.next}
	if deadline, ok := j.run.Deadline(); ok {
		h.left = max(1, time.Until(deadline))
	}
	m.Small = h.append(buf.b[:0])
	start := len(m.Small)
	j.begin, j.sent = j.next, n
	if !j.batch {
		if err = j.body.Append(&m, 0); err == nil {
			err = checkSize(&m, start, j.pool.cfg.MaxMessage)
		}
		return m, err
	}
	for i := j.next; i < n; i++ {
		if m.Small, err = j.encodeItem(m.Small, i); err != nil {
			j.body.SetError(i, j.wrap(w, &engine.NotStartedError{Err: &engine.CodecError{Phase: engine.PhaseSubmit, Err: err}}))
			m.Small = append(m.Small, 0)
		}
		if len(m.Small) > maxParcel && i+1 < n {
			j.sent = i + 1
			h.items = j.sent - j.begin
			m.Small = append(h.append(nil), m.Small[start:]...)
			break
		}
	}
	return m, nil
}

// sendRest sends the next items of a batch to w, which has done with those that it had.
func (j *job) sendRest(w *worker) {
	buf := buffers.Get().(*buffer)
	defer buf.free()
	m, _ := j.encode(w, buf)
	if w.data.Send(wire.Header{Kind: kindCall, Flags: flagBatch, Seq: j.seq}, m.Small, nil) != nil {
		w.kill() // it is dead or dying, and the batch goes on elsewhere
	}
}

// encodeItem writes an item of a batch: its length plus one, and its argument.
func (j *job) encodeItem(b []byte, i int) ([]byte, error) {
	const room = 2 // most lengths need no more
	start := len(b)
	m := engine.Message{Small: append(b, make([]byte, room)...)}
	if err := j.body.Append(&m, i); err != nil {
		return b, err
	}
	if err := checkSize(&m, start+room, j.pool.cfg.MaxMessage); err != nil {
		return b, err
	}
	if m.Files != nil {
		return b, errors.New("values with open files do not travel in batches")
	}
	size := len(m.Small) - start - room + len(m.Bulk)
	if size+1 < 1<<14 {
		// A number of fixed width is a valid varint as well.
		m.Small[start] = byte(size+1) | 0x80
		m.Small[start+1] = byte((size + 1) >> 7)
		return append(m.Small, m.Bulk...), nil
	}
	arg := append(m.Small[start+room:len(m.Small):len(m.Small)], m.Bulk...)
	return append(binary.AppendUvarint(m.Small[:start], uint64(size+1)), arg...), nil
}

// A buffer is for a call on its way. It is of nobody's until the call is sent.
type buffer struct{ b []byte }

var buffers = sync.Pool{New: func() any { return new(buffer) }}

func (b *buffer) free() {
	if cap(b.b) <= 1<<20 {
		buffers.Put(b)
	}
}

// succeed completes a batch, all of whose items have their outcome.
func (j *job) succeed() {
	j.stopWatch()
	j.finishBatch()
}

// wrap says where an item of a batch failed, as the call does for itself.
func (j *job) wrap(w *worker, err error) error {
	return &engine.TaskError{
		Task: j.call.Spec().Task, Engine: j.pool.cfg.Name,
		Worker: w.number, Attempt: j.call.Attempt(), Err: err,
	}
}

// itemError is the outcome of an item of a batch.
func (j *job) itemError(w *worker, flags uint8, err error) error {
	switch {
	case flags&flagNotRun != 0:
		err = &engine.NotStartedError{Err: err}
	case flags&flagFailed == 0 && strand.IsErr(j.run, err):
		err = engine.Interrupt(j.run, err)
	}
	return j.wrap(w, err)
}

// stopWatch ends the watch on the context, and what it may have begun.
func (j *job) stopWatch() {
	if j.watch() {
		return
	}
	j.worker.mu.Lock()
	defer j.worker.mu.Unlock()
	for _, t := range j.timers {
		if t != nil {
			t.Stop()
		}
	}
}

// interrupt ends a call whose context is done: it tells the task, then the process,
// and then ends the process.
func (j *job) interrupt() {
	w, grace := j.worker, j.pool.cfg.Grace
	if grace <= 0 {
		j.whileRunning(func() { w.kill() })
		return
	}
	_, hasDeadline := j.run.Deadline()
	if !hasDeadline || !errors.Is(j.run.Err(), context.DeadlineExceeded) {
		// The worker knows the deadline.
		cause := codec.AppendError(nil, context.Cause(j.run))
		_ = w.control.Send(wire.Header{Kind: kindCancel, Seq: j.seq}, cause, nil)
	}
	j.whileRunning(func() {
		j.timers[0] = time.AfterFunc(grace/2, func() { j.whileRunning(w.terminate) })
		j.timers[1] = time.AfterFunc(grace, func() { j.whileRunning(w.kill) })
	})
}

// whileRunning calls f if j still runs; while f runs, it does not end.
func (j *job) whileRunning(f func()) {
	j.worker.mu.Lock()
	defer j.worker.mu.Unlock()
	if j.worker.job.Load() == j {
		f()
	}
}

// maxLosses is the number of workers in succession that may die with a call that they
// had not begun, for no reason from outside, before the call is to blame: its argument
// may be more than a worker can take.
const maxLosses = 20

// orphaned deals with a job whose worker is dead.
func (j *job) orphaned(w *worker, crash *engine.CrashError) {
	j.stopWatch()
	if j.batch && j.next == j.body.Len() {
		j.finishBatch()
		return
	}
	seq, item, phase := splitMark(w.data.PeerMark())
	begun := seq == j.seq && item >= j.next && phase != engine.PhaseIdle
	if item >= j.sent {
		item = j.next // the mark is what a dead process has left, and need not make sense
	}
	switch {
	case begun:
		j.kills++
	case !j.batch && j.run.Err() != nil:
		// Another attempt would be cut short as well.
		j.call.NotRun(engine.Interrupt(j.run, crash))
		j.over()
		return
	default:
		// It was between two items, or had not even begun.
		if !w.wasShot() {
			j.losses++
		}
		if j.losses < maxLosses {
			j.again(&engine.NotStartedError{Err: crash})
			return
		}
		item, phase = j.next, engine.PhaseDecode
	}
	crash.Phase = phase
	var err error = crash
	started := phase != engine.PhaseDecode
	switch {
	case j.run.Err() != nil:
		err = engine.Interrupt(j.run, crash)
	case !begun:
		err = fmt.Errorf("%w (%d of them, before they had begun it): %w", engine.ErrPoison, j.losses, crash)
	case j.kills >= j.pool.cfg.MaxKills && (!started || j.call.Spec().Policy.Idempotent):
		err = fmt.Errorf("%w (%d of them): %w", engine.ErrPoison, j.kills, crash)
	case !started:
		j.again(&engine.NotStartedError{Err: crash})
		return
	case j.call.Spec().Policy.Idempotent:
		j.again(crash)
		return
	}
	if !j.batch {
		if started {
			j.call.Fail(err)
		} else {
			j.call.NotRun(err)
		}
		j.over()
		return
	}
	if !started {
		err = &engine.NotStartedError{Err: err}
	}
	j.body.SetError(item, j.wrap(w, err))
	j.next, j.kills, j.losses = item+1, 0, 0
	if j.next == j.body.Len() {
		j.finishBatch()
		return
	}
	j.again(&engine.NotStartedError{Err: crash})
}

func (j *job) finishBatch() {
	j.call.Return(nil)
	j.over()
}

// over says that the outcome of the job, which a worker had, is delivered.
func (j *job) over() {
	j.cancel(nil)
	j.pool.settled()
}

// again has the rest of the job run by another worker.
func (j *job) again(why error) {
	j.call.Restart(why)
	j.pool.requeue(j)
}
