package multiprocessing

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/internal/cancel"
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
	ctx    *cancel.Context
	own    bool             // ctx is the job's; otherwise it is the call's
	queued cancel.Watch     // of ctx, while it is in the queue
	node   waitq.Node[*job] // in pool.waiting
	known  bool             // somebody may still have a pointer to it when it is over
	stale  bool             // somebody is about to hear of the end of run

	// Of the attempt, written by who assigns it.
	seq    uint64
	run    context.Context
	worker *worker
	watch  cancel.Watch // of run
	begin  int          // the first item that was sent last
	sent   int          // and the first that was not

	next   int  // the first item without outcome; under worker.recv
	kills  int  // workers that died of that item
	losses int  // and workers that died before they began it
	ran    bool // the task has run for that item, in one of those

	timers [2]*time.Timer // under worker.mu: until SIGTERM and SIGKILL
}

// adopt makes ctx, which comes from the call's submission, the job's.
func (j *job) adopt(ctx context.Context) {
	detached := strand.Detach(ctx)
	if c, ok := ctx.(*cancel.Context); ok && detached == ctx {
		j.ctx = c // of nobody's but the call's
		return
	}
	j.ctx, j.own = cancel.New(detached), true
}

// discard ends the job's own context.
func (j *job) discard() {
	if j.own {
		j.ctx.Cancel(nil)
	}
}

// jobs are those that have come to their end, and that nobody can know any more.
var jobs = sync.Pool{New: func() any { return new(job) }}

// newJob returns the job of a call, with the context of its submission.
func (p *Pool) newJob(ctx context.Context, c *engine.Call, body engine.Portable) *job {
	j := jobs.Get().(*job)
	j.pool, j.call, j.body, j.batch = p, c, body, body.Len() > 1
	if _, batch := body.(interface{ Batch() }); batch {
		j.batch = true
	}
	j.adopt(ctx)
	return j
}

// A queuedJob is withdrawn when its context ends.
type queuedJob job

func (j *queuedJob) Ended() { go (*job)(j).withdraw() }

// A runningJob is interrupted when its context ends.
type runningJob job

func (j *runningJob) Ended() { go (*job)(j).interrupt(j.worker, j.run, j.seq) }

// refuse completes a job that will not run.
func (j *job) refuse(err error) {
	j.call.Refuse(err)
	j.discard()
}

// assign gives j to w, which is busy with it from now on. It reports false if the call
// has come to its end instead, or waits again, and w is free.
func (j *job) assign(w *worker) bool {
	// Who hears of the outcome, whatever it is, finds the worker free.
	j.call.AfterBody(w.freed)
	run, ok := j.call.Begin(j.ctx, w.number)
	if !ok {
		j.discard()
		return false
	}
	j.run, j.worker, j.seq = run, w, j.pool.seq.Add(1)
	h := wire.Header{Kind: kindCall, Seq: j.seq}
	m := messages.Get().(*engine.Message)
	defer release(m)
	if err := j.encode(w, m); err != nil {
		j.call.NotRun(&engine.CodecError{Phase: engine.PhaseSubmit, Err: err})
		j.discard()
		return false
	}
	if j.batch {
		h.Flags |= flagBatch
	}
	if m.Files != nil {
		h.Flags |= flagFiles
		if err := w.control.SendFiles(wire.Header{Kind: kindFiles, Seq: j.seq}, m.Files...); err != nil {
			return j.unsent(w, err)
		}
	}
	pool, ctx := j.pool, j.ctx // a worker might answer before it is asked
	w.mu.Lock()                // an interrupt waits until there is something to interrupt
	if w.dead {
		w.mu.Unlock()
		return j.unsent(w, wire.ErrGone)
	}
	w.job.Store(j)
	w.label = label{task: j.call.Spec().Task, index: j.call.Spec().Index, attempt: j.call.Attempt()}
	j.watch.Start(run, (*runningJob)(j))
	w.mu.Unlock()
	if pool.aborted.Load() {
		ctx.Cancel(engine.ErrClosed)
	}
	if err := w.data.Send(h, m.Small, m.Bulk); err != nil {
		if errors.Is(err, wire.ErrTooLarge) && w.release(j) {
			j.stopWatch()
			return j.unsent(w, err)
		}
		w.kill() // it is dead or dying, and who buries it takes care of the call
	}
	if sent := w.pool.sent; sent != nil {
		sent() // j may be complete, and another call's, by now
	}
	return true
}

// unsent deals with a call that did not reach its worker.
func (j *job) unsent(w *worker, err error) bool {
	if errors.Is(err, wire.ErrTooLarge) || errors.Is(err, wire.ErrFile) {
		j.call.NotRun(&engine.CodecError{Phase: engine.PhaseSubmit, Err: err})
		j.discard()
		return false
	}
	// The worker is dead or dying.
	if j.isLate() {
		w.mu.Lock()
		w.doomed = true
		w.mu.Unlock()
		j.call.NotRun(engine.Interrupt(j.run, err))
		j.over()
		w.kill()
		return true
	}
	j.call.Restart(&engine.NotStartedError{Err: err})
	j.pool.requeue(j)
	w.kill()
	return true
}

// isLate reports whether the time of a call is over whose argument has not arrived.
// Another attempt would have as much time, and so might end as well, with its worker.
func (j *job) isLate() bool { return !j.batch && j.run.Err() != nil }

// maxParcel is the size, in bytes, beyond which no further item of a batch is sent before
// those sent are done.
const maxParcel = 4 << 20

// encode writes the call; of a batch, what fits.
func (j *job) encode(w *worker, m *engine.Message) error {
	n := j.body.Len()
	h := callHeader{task: j.call.Spec().Task, attempt: j.call.Attempt(), items: n - j.next, first: j.next}
	if deadline, ok := j.run.Deadline(); ok {
		h.left = max(1, time.Until(deadline))
	}
	m.Small = h.append(m.Small[:0])
	start := len(m.Small)
	j.begin, j.sent = j.next, n
	if !j.batch {
		if err := j.body.Append(m, 0); err != nil {
			return err
		}
		return checkSize(m, start, j.pool.cfg.MaxMessage)
	}
	for i := j.next; i < n; i++ {
		if err := j.encodeItem(m, i); err != nil {
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
	return nil
}

// sendRest sends the next items of a batch to w, which has done with those that it had.
func (j *job) sendRest(w *worker) {
	m := messages.Get().(*engine.Message)
	defer release(m)
	_ = j.encode(w, m) // of a batch, items that cannot travel fail alone
	if w.data.Send(wire.Header{Kind: kindCall, Flags: flagBatch, Seq: j.seq}, m.Small, nil) != nil {
		w.kill() // it is dead or dying, and the batch goes on elsewhere
	}
}

// encodeItem adds an item of a batch to m: its length plus one, and its argument. If
// that cannot travel, m is as before.
func (j *job) encodeItem(m *engine.Message, i int) error {
	const room = 2 // most lengths need no more
	start := len(m.Small)
	m.Small = append(m.Small, make([]byte, room)...)
	err := j.body.Append(m, i)
	if err == nil {
		err = checkSize(m, start+room, j.pool.cfg.MaxMessage)
	}
	if err == nil && m.Files != nil {
		err = errors.New("values with open files do not travel in batches")
	}
	bulk := m.Bulk
	m.Bulk, m.Files = nil, nil
	if err != nil {
		m.Small = m.Small[:start]
		return err
	}
	size := len(m.Small) - start - room + len(bulk)
	if size+1 < 1<<14 {
		// A number of fixed width is a valid varint as well.
		m.Small[start] = byte(size+1) | 0x80
		m.Small[start+1] = byte((size + 1) >> 7)
		m.Small = append(m.Small, bulk...)
		return nil
	}
	small := slices.Clone(m.Small[start+room:])
	m.Small = binary.AppendUvarint(m.Small[:start], uint64(size+1))
	m.Small = append(append(m.Small, small...), bulk...)
	return nil
}

// messages are for calls on their way. One is of nobody's until its call is sent; by
// then the worker may have the next.
var messages = sync.Pool{New: func() any { return new(engine.Message) }}

func release(m *engine.Message) {
	small := m.Small
	*m = engine.Message{} // it keeps nothing of the call alive
	if cap(small) <= 1<<20 {
		m.Small = small[:0]
		messages.Put(m)
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

// pass goes on to the item after the given one, which has its outcome or is about to.
func (j *job) pass(item int) { j.next, j.kills, j.losses, j.ran = item+1, 0, 0, false }

// itemError is the outcome of an item of a batch, for which the task may have run in a worker
// that died of it.
func (j *job) itemError(w *worker, flags uint8, ran bool, err error) error {
	switch {
	case flags&flagNotRun != 0 && !ran:
		err = &engine.NotStartedError{Err: err}
	case flags&flagFailed == 0 && strand.IsErr(j.run, err):
		err = engine.Interrupt(j.run, err)
	}
	return j.wrap(w, err)
}

// expire returns what err, the outcome of a task, is for the program. If it says that the
// deadline of the call is over, and that is true, expire waits for the end of the context
// here: the worker measures the time by itself, and its timer may be faster than ours,
// which is due then; what the task returned would not be taken for the context's own
// error. The context may also have been cancelled before, of which the worker had not
// heard.
func (j *job) expire(err error) error {
	deadline, ok := j.run.Deadline()
	if !ok || !errors.Is(err, context.DeadlineExceeded) || time.Now().Before(deadline) {
		return err
	}
	<-j.run.Done()
	if j.run.Err() != context.DeadlineExceeded {
		return strand.Err(j.run)
	}
	return err
}

// stopWatch ends the watch on the context, and what it may have begun. It reports
// whether that had begun nothing; otherwise the job must not be assigned again, but
// only its successor.
func (j *job) stopWatch() bool {
	if j.watch.Stop() {
		return true
	}
	j.stale = true
	j.worker.mu.Lock()
	defer j.worker.mu.Unlock()
	for _, t := range j.timers {
		if t != nil {
			t.Stop()
		}
	}
	return false
}

// interrupt ends an attempt whose context, run, is done: it tells the task, then the
// process, and then ends the process. It may come late.
func (j *job) interrupt(w *worker, run context.Context, seq uint64) {
	grace := j.pool.cfg.Grace
	if grace <= 0 {
		w.whileRunning(j, w.kill)
		return
	}
	_, hasDeadline := run.Deadline()
	if !hasDeadline || !errors.Is(run.Err(), context.DeadlineExceeded) {
		// The worker knows the deadline.
		cause := codec.AppendError(nil, context.Cause(run))
		_ = w.control.Send(wire.Header{Kind: kindCancel, Seq: seq}, cause, nil)
	}
	w.whileRunning(j, func() {
		j.timers[0] = time.AfterFunc(grace/2, func() { w.whileRunning(j, w.doom) })
		j.timers[1] = time.AfterFunc(grace, func() { w.whileRunning(j, w.kill) })
	})
}

// whileRunning calls f if w still runs j; while f runs, that does not end.
func (w *worker) whileRunning(j *job, f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.job.Load() == j {
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
	case j.isLate():
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
	j.ran = j.ran || started
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
	if !j.ran {
		err = &engine.NotStartedError{Err: err}
	}
	j.body.SetError(item, j.wrap(w, err))
	j.pass(item)
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
	j.discard()
	j.pool.settled()
}

// recycle is over for a job that nobody has a pointer to any more.
func (j *job) recycle() {
	j.over()
	*j = job{}
	jobs.Put(j)
}

// successor returns a job that takes up the call where j has left it. Whoever is about to
// hear of the end of j's attempt finds that untouched.
func (j *job) successor() *job {
	return &job{
		pool: j.pool, call: j.call, body: j.body, batch: j.batch, ctx: j.ctx, own: j.own,
		next: j.next, kills: j.kills, losses: j.losses, ran: j.ran, known: true,
	}
}

// again has the rest of the job run by another worker.
func (j *job) again(why error) {
	j.call.Restart(why)
	j.pool.requeue(j)
}
