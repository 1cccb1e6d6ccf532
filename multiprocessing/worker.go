package multiprocessing

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/internal/codec"
	"github.com/go-braid/braid/internal/spawn"
	"github.com/go-braid/braid/internal/wire"
)

// The states of a worker, in their order.
const (
	starting = iota // it is not ready yet
	idle            // it waits for a call
	busy            // it runs a call, or is given one
	stopping        // it ends, of itself or by force
)

// A worker is a process of a pool, seen from the program.
//
// Its life: spawned, it says that it is ready; then it has one call at a time; then it
// is told to stop, or dies. Four goroutines belong to it: two read its output, one its
// control link, and one, the reader, its data link; the reader also sees it die, and
// is the last to go.
type worker struct {
	pool    *Pool
	number  int
	pid     int
	proc    *spawn.Process
	control *wire.Stream
	data    link
	born    time.Time
	outputs [2]*outlet
	freed   func() // pool.freed of this worker

	// Who receives holds recv: the reader, or a strand that helps while it waits
	// for its call.
	recv sync.Mutex

	// The call that it runs. Who swaps it out answers for it. Swapped out under
	// mu, so that a signal meant for one call cannot hit the next.
	job    atomic.Pointer[job]
	mu     sync.Mutex
	label  label // what it runs or has run last; under mu
	doomed bool  // under mu: it was asked to end, and may do so at any moment
	dead   bool  // under mu: its last call is dealt with, and it must have no other

	// Under pool.mu.
	state     int
	tasks     int // calls that it has had
	idleSince time.Time
	retired   bool  // told to stop, or killed because it is not needed
	failure   error // why it did not become ready
	deaf      bool  // nothing more comes on its control link

	oomKills int       // of the kernel, before it was started
	pinged   time.Time // of the monitor alone: the last question
	ponged   atomic.Int64
	stopped  int           // looks at which it was stopped: of the monitor
	silent   int           // and at which it owed an answer
	answered chan struct{} // closed when it is ready or will not be
	heard    chan struct{} // closed when nothing more comes on its control link
}

// spawn starts a process for a worker.
func (p *Pool) spawn(number int) (*worker, error) {
	l, err := newLinks(!p.cfg.Pipes, p.cfg.MaxMessage+slack)
	if err != nil {
		return nil, err
	}
	defer l.closeChild()
	w := &worker{pool: p, number: number, born: time.Now(), answered: make(chan struct{}), heard: make(chan struct{}), oomKills: spawn.OOMKills()}
	w.freed = func() { p.freed(w) }
	var reads, writes [2]*os.File
	for i := range 2 {
		if reads[i], writes[i], err = os.Pipe(); err != nil {
			l.closeParent()
			for j := range i {
				reads[j].Close()
				writes[j].Close()
			}
			return nil, err
		}
	}
	r := role{ring: l.ring, max: p.cfg.MaxMessage, limits: p.cfg.limits()}
	w.proc, err = spawn.Start(spawn.Spec{
		Args: os.Args[1:], Env: append(append(slices.Clip(p.env), r.environ()), l.env...), Dir: p.cfg.Dir,
		Files: l.child, Stdout: writes[0], Stderr: writes[1],
	})
	for i := range 2 {
		writes[i].Close()
	}
	if err != nil {
		l.closeParent()
		for i := range 2 {
			reads[i].Close()
		}
		return nil, err
	}
	w.pid, w.control, w.data = w.proc.PID(), l.control, l.data
	for i := range 2 {
		w.outputs[i] = &outlet{worker: w, stderr: i == 1, pipe: reads[i], over: make(chan struct{})}
		go w.outputs[i].drain()
	}
	return w, nil
}

// serve begins the conversation.
func (w *worker) serve(h hello) {
	go w.read()
	go w.listen()
	// If this fails the worker is dead, or closed its end, and who listens sees that.
	_ = w.control.Send(wire.Header{Kind: kindHello}, h.append(nil), nil)
}

// lastGasp is how long a worker has to die that has closed its control link.
const lastGasp = 100 * time.Millisecond

// listen serves the control link until it is closed.
func (w *worker) listen() {
	defer w.allHeard()
	for {
		f, err := w.control.Recv()
		if err != nil {
			if errors.Is(err, wire.ErrClosed) {
				return
			}
			// It has closed the link, or sends nonsense: it is of no use. Most often
			// it is dying, and is not to be taken for one that was killed here.
			select {
			case <-w.proc.Done():
			case <-time.After(lastGasp):
				w.kill()
			}
			return
		}
		switch f.Kind {
		case kindReady:
			w.ready()
		case kindFailed:
			cause, err := codec.DecodeError(f.Payload)
			w.pool.mu.Lock()
			w.failure = cmp.Or(cause, err)
			w.pool.mu.Unlock()
		case kindPong:
			w.ponged.Store(time.Now().UnixNano())
		case kindFiles:
			w.pool.putFiles(w, f)
		}
	}
}

// allHeard says that nothing more comes on the control link.
func (w *worker) allHeard() {
	p := w.pool
	p.mu.Lock()
	w.deaf = true
	p.arrived.Broadcast()
	p.mu.Unlock()
	close(w.heard)
}

// ready is called when the worker can take calls.
func (w *worker) ready() {
	p := w.pool
	p.mu.Lock()
	if w.state != starting || w.retired {
		p.mu.Unlock()
		return
	}
	w.state = idle
	w.idleSince = time.Now()
	p.starting--
	p.startFailures, p.startKills = 0, 0
	if p.closing && p.isDrained() || p.live > p.size {
		p.retire(w)
	} else {
		p.idle = append(p.idle, w)
	}
	p.unlock()
	close(w.answered)
	if l := p.cfg.Listener; l != nil && l.WorkerStarted != nil {
		l.WorkerStarted(w.event(nil))
	}
	// Not here: who listens must not be held up by the argument of a call.
	go p.dispatch()
}

// read serves the data link until the worker is dead and all that it has sent is
// dealt with.
func (w *worker) read() {
	died := make(chan struct{})
	go func() {
		<-w.proc.Done()
		w.control.HangUp()
		w.data.HangUp()
		close(died)
	}()
	var err error
	if r, ok := w.data.(*wire.Ring); ok {
		err = w.readRing(r)
	} else {
		err = w.readStream()
	}
	if !isEnd(err) {
		w.kill()
	}
	<-died
	w.died(err)
}

// isEnd reports whether err says that the peer is gone, and not that it is mad.
func isEnd(err error) bool {
	_, corrupt := errors.AsType[*wire.CorruptError](err)
	return !corrupt
}

func (w *worker) readStream() error {
	for {
		f, err := w.data.Recv()
		if err != nil {
			return err
		}
		w.recv.Lock()
		w.handle(f)
		w.recv.Unlock()
	}
}

func (w *worker) readRing(r *wire.Ring) error {
	for {
		w.recv.Lock()
		err := w.receive(r)
		w.recv.Unlock()
		if err != nil {
			return err
		}
		if err := r.Await(); err != nil {
			return err
		}
	}
}

// receive handles what has come. It needs w.recv.
func (w *worker) receive(r *wire.Ring) error {
	for {
		f, ok, err := r.TryRecv()
		if err != nil || !ok {
			return err
		}
		w.handle(f)
		r.GiveBack()
		if !r.Poll() {
			return nil
		}
	}
}

// handle deals with a frame of the worker. It needs w.recv.
func (w *worker) handle(f wire.Frame) {
	if f.Kind == kindLog {
		w.log(f)
		return
	}
	j := w.job.Load()
	if j == nil || j.seq != f.Seq {
		w.pool.strays.Add(1) // late, or a lie
		return
	}
	switch f.Kind {
	case kindProgress:
		p := parser{rest: f.Payload}
		if done, total := p.int(), p.int(); p.err == nil {
			j.call.Progress(j.run, done, total)
		}
	case kindResult:
		w.result(j, f)
	case kindDone:
		if !j.batch {
			w.pool.strays.Add(1)
			return
		}
		if p := (parser{rest: f.Payload}); len(f.Payload) == 8 {
			j.body.Took(max(1, j.sent-j.begin), time.Duration(p.int()))
		}
		if j.next = j.sent; j.next < j.body.Len() {
			j.sendRest(w)
		} else if w.release(j) {
			j.succeed()
		}
	default:
		w.pool.strays.Add(1)
	}
}

// result deals with the outcome of an item.
func (w *worker) result(j *job, f wire.Frame) {
	item := int(f.Index)
	if item < j.next || item >= j.sent {
		w.pool.strays.Add(1)
		return
	}
	m := engine.Message{Small: f.Payload, Owned: f.Owned}
	if f.Flags&flagFiles != 0 {
		if m.Files = w.pool.takeFiles(w, f.Seq); m.Files == nil {
			w.pool.strays.Add(1) // it dies; without them, the result is none
			return
		}
	}
	var err error
	if f.Flags&(flagError|flagFailed|flagNotRun) != 0 {
		var broken error
		if err, broken = codec.DecodeError(f.Payload); broken != nil {
			err = &engine.CodecError{Phase: engine.PhaseResult, Err: broken}
		}
	} else if broken := j.body.SetResult(item, m); broken != nil {
		err = &engine.CodecError{Phase: engine.PhaseResult, Err: broken}
	}
	ran := j.ran
	j.pass(item)
	if j.batch {
		if err != nil {
			j.body.SetError(item, j.itemError(w, f.Flags, ran, j.expire(err)))
		}
		return
	}
	if !w.release(j) {
		return
	}
	unknown := j.stopWatch() && !j.known
	err = j.expire(err)
	switch {
	case f.Flags&flagNotRun != 0:
		j.call.NotRun(err)
	case f.Flags&flagFailed != 0:
		j.call.Fail(err)
	default:
		j.call.Return(err)
	}
	if unknown {
		j.recycle()
	} else {
		j.over()
	}
}

// running calls f with the call that the worker runs, if there is one; while f runs it
// does not end.
func (w *worker) running(f func(*job)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if j := w.job.Load(); j != nil {
		f(j)
	}
}

// release takes the call away from the worker, and reports whether the caller is the
// one to answer for it.
func (w *worker) release(j *job) bool {
	w.mu.Lock()
	released := w.job.CompareAndSwap(j, nil)
	w.mu.Unlock()
	return released
}

// kill kills the worker with all that it has started.
func (w *worker) kill() {
	_ = w.proc.Kill()
}

// outputTime is how long a call whose worker is dead waits for Config.Output to take in
// what the worker wrote.
const outputTime = time.Second

// died deals with the death of the worker: the last act of its reader.
func (w *worker) died(why error) {
	p := w.pool
	// Its last words come first: that it is ready, or why it is not.
	<-w.heard
	p.mu.Lock()
	was := w.state
	w.state = stopping
	p.forget(w)
	p.unlock()
	select {
	case <-w.answered:
	default:
		close(w.answered)
	}
	for _, o := range w.outputs {
		o.end()
	}
	for _, o := range w.outputs {
		select {
		case <-o.over:
		case <-time.After(outputTime):
		}
	}
	crash := w.crash(why)
	if !w.retired {
		// Who hears of the outcome of its call finds its death counted.
		p.mu.Lock()
		p.counters.deaths++
		p.mu.Unlock()
	}
	_ = w.control.Close()
	w.mu.Lock()
	j := w.job.Swap(nil)
	w.dead = true
	w.mu.Unlock()
	if j != nil {
		j.orphaned(w, crash)
	}
	w.recv.Lock() // nobody watches any more
	_ = w.data.Close()
	w.recv.Unlock()
	var err error
	if !w.retired {
		err = crash
		if w.failure != nil {
			err = w.failure
		}
	}
	if l := p.cfg.Listener; l != nil && l.WorkerStopped != nil && was != starting {
		l.WorkerStopped(w.event(err))
	}
	p.buried(w, was, err)
}

// wasShot reports whether a signal from elsewhere has ended the worker: one that people
// and supervisors send, not one that a fault of its own brings about.
func (w *worker) wasShot() bool {
	st := w.proc.State()
	switch st.Signal {
	case "SIGKILL":
		return !st.Killed && spawn.OOMKills() == w.oomKills
	case "SIGTERM", "SIGHUP", "SIGINT":
		return true
	}
	return false
}

// crash describes the death of the worker.
func (w *worker) crash(why error) *engine.CrashError {
	st := w.proc.State()
	tail := w.outputs[1].last()
	death := spawn.Explain(tail, st, w.oomKills, spawn.OOMKills())
	c := &engine.CrashError{
		PID: w.pid, ExitCode: st.ExitCode, Signal: cmp.Or(death.Signal, st.Signal),
		OOM: death.OOM || (death.InRuntime || death.Threadless) && w.pool.cfg.MemoryLimit > 0, Reason: death.Reason, Stderr: tail,
		UserTime: st.UserTime, SystemTime: st.SystemTime, MaxRSS: st.MaxRSS,
	}
	if corrupt, ok := errors.AsType[*wire.CorruptError](why); ok {
		c.Reason = fmt.Sprintf("it was killed because it broke the protocol: %v", corrupt)
	}
	return c
}

func (w *worker) event(err error) engine.Event {
	return engine.Event{At: time.Since(engine.Epoch()), Engine: w.pool.cfg.Name, Worker: w.number, PID: w.pid, Err: err}
}

// terminate asks the worker to end, with all that it has started.
func (w *worker) terminate() { _ = w.proc.SignalGroup(syscall.SIGTERM) }

// doom is terminate for the sake of a call. The worker may have done with the call, and
// the program not know it yet; the signal takes its time as well. Whoever runs there next
// would die of it, so nobody will. It needs w.mu.
func (w *worker) doom() {
	w.doomed = true
	w.terminate()
}
