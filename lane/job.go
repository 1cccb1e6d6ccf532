package lane

import (
	"context"
	"errors"
	"time"

	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/internal/cancel"
	"github.com/go-braid/braid/internal/waitq"
	"github.com/go-braid/braid/strand"
)

// A job is an attempt at a call in a lane, from its submission to its end, and what
// hears of it when it is passed on.
type job struct {
	lane  *Lane
	call  *engine.Call
	from  context.Context  // of the submission
	ctx   cancel.Context   // for the engine: it ends with that of the submission
	watch cancel.Watch     // on the latter, while the job is in the queue
	node  waitq.Node[*job] // in lane.waiting, then in lane.passed

	// Under lane.mu.
	delayed bool          // the rate has held it up
	since   time.Time     // it has had its place, without a break
	held    time.Duration // and before that
	company int           // places that were taken when it got one, its own included
	parked  int           // its strands that are parked; a careless task has several
	lent    bool          // it has no place meanwhile
	over    bool          // and never will
}

func newJob(l *Lane, ctx context.Context, c *engine.Call) *job {
	j := &job{lane: l, call: c}
	j.node.Value = j
	j.from = ctx
	j.ctx.Init(ctx, j)
	return j
}

// insideKey is the key under which a context holds its job in a lane.
type insideKey struct{ lane *Lane }

// Value implements [cancel.Values].
func (j *job) Value(key any) any {
	if k, ok := key.(insideKey); ok && k.lane == j.lane {
		return j
	}
	return nil
}

// A queuedJob is withdrawn when its context ends.
type queuedJob job

func (j *queuedJob) Ended() { go (*job)(j).leave() }

// leave takes j out of the queue, because its context is done.
func (j *job) leave() {
	l := j.lane
	l.mu.Lock()
	removed := l.waiting.Remove(&j.node)
	if removed {
		l.counters.refused++
		l.settling++
		l.schedule()
	}
	l.unlock()
	if removed {
		j.expel(strand.Err(j.from))
	}
}

// expel completes a job that was taken out of the queue and counted as settling, so
// that nobody takes the lane for quiet before.
func (j *job) expel(err error) {
	j.call.Refuse(err)
	l := j.lane
	l.mu.Lock()
	l.settling--
	l.wakeQuiet()
	l.unlock()
}

// Lend implements [engine.Relay].
func (j *job) Lend() {
	l := j.lane
	l.mu.Lock()
	defer l.unlock()
	j.parked++
	if j.over || j.lent || l.lent >= l.cfg.MaxLent {
		return
	}
	j.held += time.Since(j.since)
	j.lent = true
	l.lent++
	l.running--
	l.dismiss(j)
	l.schedule()
}

// Reclaim implements [engine.Relay].
func (j *job) Reclaim(by strand.Parker) {
	op := strand.Op{Object: j.lane, Kind: strand.OpAcquire, Access: strand.Write}
	// This is not cut short by the end of the task's context: what runs must have
	// a place.
	_ = by.Park(context.Background(), op, &resumer{job: j})
}

// Over implements [engine.Relay].
func (j *job) Over(ran bool, err error) {
	l := j.lane
	l.mu.Lock()
	defer l.unlock()
	j.over = true
	l.passed.Remove(&j.node)
	if j.lent { // by a goroutine that it left behind
		j.lent = false
		l.lent--
		l.release(j)
	} else {
		j.held += time.Since(j.since)
		l.running--
	}
	if ran {
		l.counters.completed++
		if l.adaptive != nil && tells(err) {
			l.adaptive.sample(j.held, j.company)
		}
	} else {
		l.counters.refused++
	}
	l.settling++
	l.dismiss(j)
	l.schedule()
}

// tells reports whether the time of a call that ended with err says how busy what it
// calls is: one that failed early does not.
func tells(err error) bool {
	return err == nil || errors.Is(err, context.DeadlineExceeded)
}

// Settled implements [engine.Relay].
func (j *job) Settled() {
	j.ctx.Cancel(errSettled)
	l := j.lane
	l.mu.Lock()
	defer l.unlock()
	l.settling--
	l.wakeQuiet()
}

// errSettled is the cause of a call's context once the call has come to its end.
var errSettled = errors.New("lane: the call that the context belongs to has ended")

// A resumer is a woken strand that waits for a place.
type resumer struct {
	job  *job
	wake func()
	node waitq.Node[*resumer]
}

func (r *resumer) Arm(wake func()) bool {
	j, l := r.job, r.job.lane
	l.mu.Lock()
	defer l.unlock()
	j.parked--
	if j.parked > 0 || !j.lent {
		return false
	}
	if l.resumers.Len() == 0 && l.running < l.places() {
		j.retake()
		return false
	}
	r.wake, r.node.Value = wake, r
	l.resumers.Push(&r.node)
	return true
}

func (r *resumer) Disarm() bool {
	l := r.job.lane
	l.mu.Lock()
	defer l.unlock()
	removed := l.resumers.Remove(&r.node)
	if removed {
		l.schedule()
	}
	return removed
}

// resume lets r, for which there is a place, go on. Its job may have one again already.
// It needs lane.mu.
func (r *resumer) resume() {
	l := r.job.lane
	l.resumers.Remove(&r.node)
	l.after = append(l.after, r.wake)
	if r.job.lent {
		r.job.retake()
	}
}

// retake gives j its place again. It needs lane.mu.
func (j *job) retake() {
	j.lent = false
	j.since = time.Now()
	j.lane.lent--
	j.lane.running++
}

// release lets the strands of j go on, whose task has ended. It needs l.mu.
func (l *Lane) release(j *job) {
	for n := l.resumers.Front(); n != nil; {
		next := n.Next()
		if n.Value.job == j {
			n.Value.resume()
		}
		n = next
	}
}
