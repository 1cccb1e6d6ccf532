package record

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/go-braid/braid/internal/usage"
)

// blockSize is how much is written at once, unless there is less.
const blockSize = 64 << 10

// A writer makes lines of notes and writes them. It belongs to who holds mu: the goroutine of
// its log, or [Log.Done].
type writer struct {
	mu     sync.Mutex
	log    *Log
	buf    []byte // lines to be written
	starts []byte // lines of what runs
	full   []*chunk
	good   int64 // how much of the file is whole lines
	first  int64 // how long the first one is
	failed error
	faults faults

	next    time.Duration // when the next sample is due
	since   time.Duration // when the last one was
	cpu     time.Duration // what this process had used then
	workers map[int]time.Duration
	written bool // something was written since the last End
	ended   bool // the last line was
}

func (w *writer) init(l *Log) {
	w.log = l
	w.faults.init()
	w.cpu = processorTime()
}

// serve is the goroutine of a log. It ends when nothing runs and everything is written.
func (l *Log) serve() {
	t := time.NewTimer(l.cfg.Interval)
	defer t.Stop()
	for {
		due := false
		select {
		case <-t.C:
			due = true
			t.Reset(l.cfg.Interval)
		case <-l.wake:
		}
		asked, finished := l.writer.round(due)
		if finished {
			return
		}
		if due || asked {
			if !l.idle() {
				continue
			}
			l.awake.Store(false)
			l.watch()
			// Who takes a note after this finds nobody awake.
			if l.idle() || !l.awake.CompareAndSwap(false, true) {
				return
			}
		}
	}
}

// round writes what there is. It is due if the interval is over; otherwise, and unless
// somebody has asked, it takes what is many, and writes when a block is full.
func (w *writer) round(due bool) (asked, finished bool) {
	l := w.log
	l.mu.Lock()
	requests, end := l.requests, l.end
	l.requests = nil
	l.mu.Unlock()
	asked = len(requests) > 0
	if finished = w.all(due || asked, end); finished {
		w.finish(requests)
		return asked, true
	}
	for _, r := range requests {
		close(r)
	}
	return asked, false
}

// all writes what there is; unless it is to be thorough, it takes only full chunks, and writes
// only full blocks: byte for byte, a small write costs several times as much. It reports
// whether that was the end: end, if it is not nil, is the last line.
func (w *writer) all(thorough bool, end *End) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.log
	now := l.Now()

	w.full = l.chunks.take(w.full[:0])
	w.starts = w.starts[:0]
	var c census
	if thorough {
		for i := range l.shards {
			w.survey(&l.shards[i], &c, now)
		}
	}
	w.waiting() // after the notes were taken: what they mean stands there
	for i, k := range w.full {
		w.chunk(k)
		l.chunks.release(k)
		w.full[i] = nil
	}
	// What has ended comes first: whoever reads on sees each worker do one thing at a time.
	w.put(w.starts)
	if c.running > 0 && now >= w.next {
		w.sample(now, &c)
	}
	var dropped int64
	if w.failed == nil {
		if dropped = l.lost.Swap(0); dropped > 0 {
			w.line(&Dropped{Time: now, Events: dropped, Why: "they came faster than they could be written"})
		}
	}
	if end != nil {
		w.line(end)
	} else if thorough && w.log.open && w.written && c.running == 0 && c.queued(l) <= 0 {
		w.line(c.end(l.Now()))
		w.flush()
		w.written = false
	}
	if thorough || end != nil || dropped > 0 { // once written, those need not be counted any more
		w.flush()
		l.flushed.Store(int64(l.Now()))
	}
	if w.failed != nil {
		l.lost.Add(dropped) // that line may not have been written
	}
	w.ended = end != nil || w.failed != nil
	return w.ended
}

// waiting puts the lines that wait.
func (w *writer) waiting() {
	l := w.log
	l.mu.Lock()
	pending := l.pending
	l.pending, l.spare = l.spare[:0], nil
	l.mu.Unlock()

	w.put(pending)
	if cap(pending) <= 2*blockSize {
		l.mu.Lock()
		l.spare = pending[:0]
		l.mu.Unlock()
	}
}

// commit writes the lines that wait, and no notes, before it returns.
func (w *writer) commit() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return
	}
	w.waiting()
	w.flush()
	if w.failed != nil { // then the goroutine ends the recording
		w.log.stir()
		w.log.look()
	}
}

// A census is what the shards have counted.
type census struct {
	running            int
	left, done, failed int64
}

func (c *census) queued(l *Log) int { return int(l.submitted.Load() - c.left) }

// end is the last line of a log that nobody closes.
func (c *census) end(now time.Duration) *End {
	e := &End{Time: now, Verdict: "ok", OK: int(c.done), Failed: int(c.failed), Total: int(c.done + c.failed)}
	if c.failed > 0 {
		e.Verdict = "failed"
	}
	return e
}

// survey takes the notes of a shard, and tells of what runs there.
func (w *writer) survey(s *shard, c *census, now time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.tracks {
		w.surveyTrack(s, t, c)
	}
	w.full = w.log.chunks.take(w.full) // among them the shard's own before this one
	if k := s.give(); k != nil {
		w.full = append(w.full, k)
	}
	for i := range s.runs {
		r := &s.runs[i]
		if !r.told {
			r.told = true
			w.begun(r.attempt)
		}
		if r.moved {
			r.moved = false
			w.starts = Append(w.starts, &Progress{Time: now, Call: r.call, Input: r.index, Done: r.done, Total: r.total})
		}
	}
	c.running += len(s.runs)
	c.left += s.left
	c.done += s.done
	c.failed += s.failed
}

// begun tells that an attempt has begun.
func (w *writer) begun(a attempt) {
	w.starts = Append(w.starts, &Start{
		Start: time.Duration(a.start), Call: a.call, Engine: a.form.from.number, Worker: int(a.form.worker), Input: a.index,
		Attempt: int(a.number), Queued: time.Duration(a.queued), Task: a.form.task, PID: a.form.from.pid(a.form.worker),
	})
}

// put writes lines that stand there already.
func (w *writer) put(lines []byte) {
	if len(lines) == 0 {
		return
	}
	w.written = true
	if n := len(w.buf) + len(lines); n > cap(w.buf) && n < blockSize && n > blockSize/16 {
		// There will be more: to come there by doubling takes four times the memory.
		w.buf = slices.Grow(w.buf, blockSize+blockSize/8-len(w.buf))
	}
	w.buf = append(w.buf, lines...)
	w.spill()
}

func (w *writer) line(l Line) {
	w.written = true
	w.buf = Append(w.buf, l)
	w.spill()
}

// spill writes the buffer if it is large, or no more may wait.
func (w *writer) spill() {
	if len(w.buf) >= min(blockSize, w.log.cfg.Pending) {
		w.flush()
	}
}

// flush writes the buffer. After an error it only counts what is lost.
func (w *writer) flush() {
	if len(w.buf) == 0 {
		return
	}
	defer func() { w.buf = w.buf[:0] }()
	if w.failed != nil {
		w.log.lost.Add(events(w.buf))
		return
	}
	n, err := w.log.out.Write(w.buf)
	if err == nil && n < len(w.buf) {
		err = io.ErrShortWrite
	}
	if err != nil {
		w.failed = err
		w.log.off.Store(true)
		whole := bytes.LastIndexByte(w.buf[:min(max(n, 0), len(w.buf))], '\n') + 1
		w.good += int64(whole)
		w.log.lost.Add(events(w.buf[whole:]))
		return
	}
	w.good += int64(n)
	if w.first == 0 {
		w.first = int64(bytes.IndexByte(w.buf, '\n') + 1)
	}
}

// finish ends the recording, at its end or because it has failed.
func (w *writer) finish(requests []chan struct{}) {
	l := w.log
	w.mu.Lock()
	if w.failed != nil {
		w.giveUp()
	}
	w.buf, w.starts, w.full = nil, nil, nil
	w.mu.Unlock()
	l.mu.Lock()
	l.gone = true
	l.pending, l.spare, l.texts = nil, nil, nil
	requests = append(requests, l.requests...)
	l.requests = nil
	if w.failed != nil {
		l.err = &StoppedError{Path: l.path, Err: w.failed}
	}
	err := l.err
	l.mu.Unlock()
	for _, r := range requests {
		close(r)
	}
	if err == nil || !l.begun.Load() {
		return
	}
	if l.cfg.OnError != nil {
		l.cfg.OnError(err)
	} else {
		slog.Warn("braid: the rest of the run is not recorded", "error", err)
	}
}

// A StoppedError says why a recording has ended before its time.
type StoppedError struct {
	Path string // of the log; empty if it is no file that [Create] made
	Err  error  // why
}

// Error says what is no more recorded, and why.
func (e *StoppedError) Error() string {
	what := "the recording has stopped"
	if e.Path != "" {
		what += " (" + e.Path + ")"
	}
	return what + ": " + e.Err.Error()
}

// Unwrap returns e.Err.
func (e *StoppedError) Unwrap() error { return e.Err }

// giveUp lets go of what a log remembers that cannot be written.
func (w *writer) giveUp() {
	l := w.log
	for i := range l.shards {
		s := &l.shards[i]
		s.mu.Lock()
		if k := s.give(); k != nil {
			l.lost.Add(k.events())
		}
		for _, t := range s.tracks {
			l.lose(t)
		}
		s.chunk, s.room, s.streak, s.made, s.columns, s.runs, s.at = nil, 0, streak{}, nil, columns{}, nil, nil
		s.mu.Unlock()
	}
	for _, k := range l.chunks.take(nil) {
		l.lost.Add(k.events())
	}
	l.chunks.mu.Lock()
	l.chunks.free = nil
	l.chunks.mu.Unlock()
	l.usages.mu.Lock()
	l.usages.of = nil
	l.usages.mu.Unlock()
	w.makeRoom()
	w.epilogue(nil)
}

// room is how much an epilogue may need, in bytes.
const room = 512

// makeRoom gives the last lines of the file up, if it is one: on a full disk the file may
// take as much again, and no more.
func (w *writer) makeRoom() {
	l := w.log
	if l.file == nil || w.good < w.first+room {
		return
	}
	tail := make([]byte, min(w.good-w.first, 4*room+MaxLine))
	if _, err := l.file.ReadAt(tail, w.good-int64(len(tail))); err != nil {
		return
	}
	i := bytes.LastIndexByte(tail[:len(tail)-room], '\n') + 1
	if i == 0 && int64(len(tail)) < w.good-w.first {
		return
	}
	l.lost.Add(events(tail[i:]))
	w.good -= int64(len(tail) - i)
}

// epilogue writes what is missing, and the last line, behind the lines that are whole, if
// the file takes as much by now. It is called after the recording has failed.
func (w *writer) epilogue(e *End) {
	l := w.log
	if l.file == nil || l.file.Truncate(w.good) != nil {
		return
	}
	now := l.Now()
	if e != nil {
		now = e.Time
	}
	n := l.lost.Load()
	var b []byte
	if n > 0 {
		b = Append(b, &Dropped{Time: now, Events: n, Why: reason(w.failed)})
	}
	if e != nil {
		b = Append(b, e)
	}
	if _, err := l.file.WriteAt(b, w.good); err != nil {
		_ = l.file.Truncate(w.good)
		return
	}
	w.good += int64(len(b))
	l.lost.Add(-n)
}

// reason returns what kept a file from taking more, in a few words.
func reason(err error) string {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	return cut(err.Error(), 100)
}

// chunk writes the lines of a chunk.
func (w *writer) chunk(k *chunk) {
	written := 0
	for i := range k.notes {
		n := &k.notes[i]
		w.put(k.lines[written:n.after])
		written = n.after
		w.note(n)
		w.spill()
	}
	w.put(k.lines[written:])
	w.written = true
	w.forget(k)
}

// note writes the lines of a note, those of a failure before the one that names it.
func (w *writer) note(n *note) {
	if n.kind == workerUp || n.kind == workerGone {
		w.worker(n)
	} else {
		w.attempt(n)
	}
}

// worker writes the line of a worker.
func (w *writer) worker(n *note) {
	l := Worker{Time: time.Duration(n.end), Engine: n.form.from.number, Number: int(n.form.worker), PID: int(n.pid), Up: n.kind == workerUp}
	if n.err != nil {
		w.log.errs.Add(-1)
		l.Err = w.fault(classify(n.err), "")
	}
	w.buf = Append(w.buf, &l)
}

// attempt writes the lines of an attempt.
func (w *writer) attempt(n *note) {
	s := Span{
		Start: time.Duration(n.start), End: time.Duration(n.end), Call: n.call, Engine: n.form.from.number, Worker: int(n.form.worker),
		Input: n.index, Attempt: int(n.number), Queued: time.Duration(n.queued), Task: n.form.task, State: StateOK,
		PID: int(n.pid), Parked: time.Duration(n.parked), Last: n.kind == lastAttempt,
	}
	if n.err != nil {
		w.log.errs.Add(-1)
		f := classify(n.err)
		if n.state == refused {
			f.Kind = StateRefused
		}
		s.State = f.Kind
		s.PID = cmp.Or(f.used.PID, s.PID)
		s.CPU, s.RSS, s.Exit, s.Signal = f.used.CPU, f.used.RSS, f.used.Exit, f.used.Signal
		s.Err = w.fault(f, w.log.textOf(n.index))
	} else if n.state == refused {
		s.State = StateRefused
	} else if n.state == bare {
		s.State = StateError
	}
	if u := n.usage; u != nil {
		s.PID = cmp.Or(u.PID, s.PID)
		s.CPU, s.RSS = cmp.Or(u.CPU, s.CPU), cmp.Or(u.RSS, s.RSS)
		s.Exit, s.Signal = cmp.Or(u.Exit, s.Exit), cmp.Or(u.Signal, s.Signal)
		s.Out, s.ErrOut = u.Out, u.ErrOut
	}
	w.buf = Append(w.buf, &s)
	if u := n.usage; u != nil && (s.State != StateOK || w.log.cfg.Outputs) && u.Stdout+u.Stderr != "" {
		w.buf = Append(w.buf, &Output{Time: s.End, Call: n.call, Input: n.index, Attempt: s.Attempt, Stdout: u.Stdout, Stderr: u.Stderr, Cut: u.Cut})
	}
	if n.kind == earlierAttempt {
		w.buf = Append(w.buf, &Retry{Time: s.End, Call: n.call, Input: n.index, Attempt: s.Attempt, Delay: time.Duration(n.delay)})
	}
}

// fault returns the number of a failure, and writes its line if there is none yet.
func (w *writer) fault(f fault, input string) int {
	e, fresh := w.faults.number(f, input)
	if fresh {
		w.buf = Append(w.buf, e)
	}
	return e.Number
}

// textOf returns the text of an input, if it is known, to be left out of fingerprints.
func (l *Log) textOf(input int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.texts[input]
}

// forget lets go of the inputs of calls that have ended.
func (w *writer) forget(k *chunk) {
	l := w.log
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.texts) == 0 {
		return
	}
	for _, i := range k.ended {
		delete(l.texts, i)
	}
	for i := range k.notes {
		if k.notes[i].kind == lastAttempt {
			delete(l.texts, k.notes[i].index)
		}
	}
}

// sample writes a sample.
func (w *writer) sample(now time.Duration, c *census) {
	l := w.log
	period := l.cfg.Sample
	switch {
	case period < 0:
		return
	case period == 0 && now < 10*time.Second:
		period = 200 * time.Millisecond
	case period == 0:
		period = time.Second
	}
	used, memory := w.used()
	s := Sample{
		Time: now, Running: c.running, Queued: max(c.queued(l), 0), Done: int(c.done), Failed: int(c.failed), Total: int(l.total.Load()), RSS: memory,
	}
	if now > w.since {
		// To a hundredth: more is noise.
		s.CPU = float64(int64(100*float64(used)/float64(now-w.since)+0.5)) / 100
	}
	w.since = now
	w.next = now + period - period/10 // the ticks are not exact
	w.line(&s)
}

// used returns the processor time that this process and the workers have used since it was
// last called, and their memory.
func (w *writer) used() (cpu time.Duration, memory int64) {
	total := processorTime()
	cpu, w.cpu = total-w.cpu, total
	memory = residentMemory()
	seen := make(map[int]time.Duration)
	w.log.mu.Lock()
	sources := w.log.engines
	w.log.mu.Unlock()
	for _, s := range sources {
		for _, pid := range s.processes() {
			used, rss, ok := usage.OfPID(pid)
			if !ok {
				continue
			}
			cpu += max(used-w.workers[pid], 0)
			memory += rss
			seen[pid] = used
		}
	}
	w.workers = seen
	return cpu, memory
}

func processorTime() time.Duration {
	u, _ := usage.Self()
	return u.CPU()
}
