package record

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-braid/braid/engine"
)

// Defaults of [Config].
const (
	DefaultNotes    = 1 << 17
	DefaultPending  = 8 << 20
	DefaultInterval = 200 * time.Millisecond
)

// A Config says how a [Log] is kept. The zero Config is a good one.
type Config struct {
	// Notes bounds how many attempts may wait to be written; 0 means DefaultNotes. One
	// takes some 10 to 100 bytes, and a failure some 200, which are taken when they
	// are needed. Attempts beyond it are counted, and left out; see [Dropped]. Since the
	// writer is called when 4,096 wait, or half as many as may, that happens only if a
	// file does not take data for long.
	Notes int

	// Pending bounds the bytes of other lines that may wait to be written, such as
	// inputs; 0 means DefaultPending. Beside them there is the block that is written next,
	// of at most 64 KiB or as much again.
	Pending int

	// Interval is how long a finished attempt may wait to be written, and after which
	// time one that runs gets a [Start] line; 0 means DefaultInterval.
	Interval time.Duration

	// Sample is the time from one [Sample] to the next while calls run; 0 means a
	// second, and 200 ms in the first ten seconds. Negative means that there are only
	// those that [Log.Sample] adds.
	Sample time.Duration

	// Outputs has the log keep the end of what every attempt has written, as far as
	// [Log.Usage] tells, and not only of those that fail.
	Outputs bool

	// OnError is told, once, why the recording has ended before its time: the disk is
	// full, for example. It is called on a goroutine of the log. Nil means that it is
	// written to slog.Default as a warning.
	OnError func(error)
}

// A Log is the record of a run that is being written. Its methods may be called from any
// goroutine, and but for Done, Flush and Close they never wait for the file.
//
// A Log has a goroutine while calls run on its engines, and until what it knows is
// written. At rest it has none.
type Log struct {
	// What is read with every call is in one line of the cache.
	began  int64 // base, as events have it
	off    atomic.Bool
	awake  atomic.Bool // there is a goroutine
	keeps  atomic.Bool // texts of inputs
	usages usages
	used   atomic.Bool // there are, or were, usages
	shards *[shards]shard

	cfg   Config
	run   Run
	base  time.Time
	out   io.Writer
	file  *os.File // out, if the log has opened it
	path  string
	open  bool          // it may end without Close; see To
	begun atomic.Bool   // somebody has the log, and is to be told of its failure
	wake  chan struct{} // holds a token if it is to look at once

	lost    atomic.Int64 // notes and lines that found no room
	loose   atomic.Int64 // attempts that run on no worker
	workers atomic.Int64 // that there are
	flushed atomic.Int64 // when the log was last written, in nanoseconds since base
	errs    atomic.Int64 // failures that wait to be written with their errors
	total   atomic.Int64 // see Expect

	// This changes with every call.
	_         [64]byte
	submitted atomic.Int64 // attempts
	_         [64]byte

	chunks chunks

	mu       sync.Mutex
	pending  []byte          // lines that wait to be written
	spare    []byte          // the next pending
	requests []chan struct{} // closed after the next flush
	engines  []*source
	texts    map[int]string // of inputs whose calls have not ended
	end      *End           // the last line, of Close
	gone     bool           // nothing is written any more
	err      error          // why not

	writer writer // for the goroutine alone
}

// Create makes the file at path and begins the log of a run in it. What was there is
// replaced, unless another process still writes it, which is an error. The directory
// must exist.
//
// What run leaves out of where and when it runs is filled in: ID, Wall, Braid, Go, OS,
// Arch, Host, PID, CPUs and Dir.
func Create(path string, run Run, cfg Config) (*Log, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := lock(f); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("cannot record into %s: %w", path, err)
	}
	if err := empty(f); err != nil {
		_ = f.Close()
		return nil, err
	}
	l := newLog(f, run, cfg)
	l.file, l.path = f, path
	// So that whoever looks finds a log.
	if err := l.Flush(); err != nil {
		_ = f.Close()
		return nil, err
	}
	l.begun.Store(true)
	return l, nil
}

// empty cuts f, unless it is empty or no regular file. Even cutting an empty one has a price:
// whatever was cut, ext4 brings to the disk when it is closed.
func empty(f *os.File) error {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
		return err
	}
	return f.Truncate(0)
}

// NewLog begins the log of a run that is written to w, in blocks of whole lines. Run is
// filled in as by [Create]. W is used by one goroutine at a time.
func NewLog(w io.Writer, run Run, cfg Config) *Log {
	l := newLog(w, run, cfg)
	l.begun.Store(true)
	return l
}

func newLog(w io.Writer, run Run, cfg Config) *Log {
	if cfg.Notes <= 0 {
		cfg.Notes = DefaultNotes
	}
	if cfg.Pending <= 0 {
		cfg.Pending = DefaultPending
	}
	if cfg.Interval <= 0 {
		cfg.Interval = DefaultInterval
	}
	l := &Log{shards: new([shards]shard), cfg: cfg, out: w, wake: make(chan struct{}, 1), base: run.Wall}
	if l.base.IsZero() {
		l.base = time.Now()
	}
	l.run = run.filled(l.base)
	l.began = int64(l.base.Sub(engine.Epoch()))
	l.chunks.most = max(cfg.Notes/chunkSize, 2)
	l.writer.init(l)
	l.pending = Append(nil, &l.run)
	return l
}

// To returns a listener that records into the file at path what it hears, from any
// number of engines:
//
//	pool := threading.NewPool(threading.Config{Listener: record.To("run.ndjson")})
//
// What was in the file is replaced. If it cannot be made, that is written to
// slog.Default, and To returns nil, which is a listener that hears nothing.
//
// The log needs no Close. It is complete when the workers of the engines have stopped, as
// they do in Close; of engines without workers, such as [engine.Goroutines], it may lack
// what has happened in the last 10 ms before the program ends: nothing runs after main. Who
// needs that hands out listeners of a log from [Create], and calls its Close. Whenever
// nothing runs, the log has an [End] line, which counts calls; if the run goes on, more lines
// follow.
//
// Several listeners for one file are a mistake, and a second one an error. To share one
// among listeners of your own, see [engine.Tee].
func To(path string) *engine.Listener {
	l, err := Create(path, Run{Args: os.Args}, Config{})
	if err != nil {
		slog.Warn("braid: the run is not recorded", "error", err)
		return nil
	}
	l.mu.Lock()
	l.open = true
	l.mu.Unlock()
	return l.listen(nil)
}

// Run returns the first line of the log.
func (l *Log) Run() Run { return l.run }

// Path returns the path that the log was created with; it is empty after [NewLog].
func (l *Log) Path() string { return l.path }

// Now returns the time on the clock of the log: how long ago Wall was.
func (l *Log) Now() time.Duration { return time.Since(l.base) }

// Input says what the input with number i is. Key is what a later run knows it by; see
// [Key]. The log keeps 4 KiB of the text.
func (l *Log) Input(i int, key, text string) {
	in := Input{Time: l.Now(), Number: i, Key: key, Text: cut(text, maxText), Cut: len(text) > maxText}
	l.remember(&in)
	l.add(&in)
}

// remember keeps the text of an input, which has no place in a fingerprint, until its calls
// have ended.
func (l *Log) remember(in *Input) {
	const many, long = 1 << 16, 256
	if in.Text == "" || len(in.Text) > long || l.off.Load() {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.texts == nil {
		l.texts = make(map[int]string)
	}
	if len(l.texts) < many {
		l.texts[in.Number] = in.Text
		l.keeps.Store(true)
	}
}

// Mark adds a mark. A Time of 0 means now.
func (l *Log) Mark(m Mark) {
	l.stamp(&m.Time)
	l.add(&m)
}

// Expect says how many inputs the run has, of those that are to be done. The samples from now on
// say so, and who reads them can tell how far the run is. It may be called again when more is
// known; 0 means that it is not known.
func (l *Log) Expect(inputs int) { l.total.Store(int64(inputs)) }

// Advise adds an advice. A Time of 0 means now.
func (l *Log) Advise(a Advice) {
	l.stamp(&a.Time)
	l.add(&a)
}

// Sample adds a sample to those that the log takes by itself. A Time of 0 means now.
func (l *Log) Sample(s Sample) {
	l.stamp(&s.Time)
	l.add(&s)
}

// stamp makes a time that is 0 the present one.
func (l *Log) stamp(t *time.Duration) {
	if *t == 0 {
		*t = l.Now()
	}
}

// Limits of what the log keeps, in bytes.
const (
	maxText   = 4 << 10  // of an input, or an output
	maxError  = 16 << 10 // of the text of an error
	maxStack  = 64 << 10
	maxUsages = 1 << 16 // of attempts that have not ended
)

// add has the line written with the next flush.
func (l *Log) add(line Line) {
	if l.off.Load() {
		l.lost.Add(1)
		return
	}
	l.mu.Lock()
	if l.gone || len(l.pending) >= l.cfg.Pending {
		l.mu.Unlock()
		l.lost.Add(1)
		return
	}
	l.pending = Append(l.pending, line)
	full := len(l.pending) >= min(blockSize, l.cfg.Pending/2)
	l.mu.Unlock()
	l.stir()
	if full {
		l.look()
	}
}

// stir sees to it that there is a goroutine.
func (l *Log) stir() {
	if !l.awake.Load() {
		l.rouse()
	}
}

func (l *Log) rouse() {
	if l.awake.CompareAndSwap(false, true) {
		go l.serve()
	}
}

// look has the goroutine look what there is to be written.
func (l *Log) look() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// idle reports whether there is nothing for the goroutine to do.
func (l *Log) idle() bool {
	for i := range l.shards {
		s := &l.shards[i]
		s.mu.Lock()
		busy := len(s.runs) > 0 || s.chunk != nil && s.room < chunkSize ||
			slices.ContainsFunc(s.tracks, func(t *track) bool { return !t.Idle() })
		s.mu.Unlock()
		if busy {
			return false
		}
	}
	l.chunks.mu.Lock()
	full := len(l.chunks.full)
	l.chunks.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	ending := l.off.Load() && !l.gone
	return full == 0 && len(l.pending) == 0 && len(l.requests) == 0 && !ending
}

// request has everything written that is known now. The channel is closed when that is
// done, or the recording has ended.
func (l *Log) request() <-chan struct{} {
	done := make(chan struct{})
	l.mu.Lock()
	if l.gone {
		close(done)
	} else {
		l.requests = append(l.requests, done)
	}
	l.mu.Unlock()
	l.rouse()
	l.look()
	return done
}

// flushWithin is Flush for a listener, which must not wait for long.
func (l *Log) flushWithin(most time.Duration) {
	done := l.request()
	t := time.NewTimer(most)
	defer t.Stop()
	select {
	case <-done:
	case <-t.C:
	}
}

// Flush returns when everything that has happened until now is written, as far as a
// process can tell: it is the system that brings it to the disk. It may wait for the
// file. The error is that of [Log.Err].
func (l *Log) Flush() error {
	<-l.request()
	return l.Err()
}

// Err returns why the recording has ended before its time, or nil.
func (l *Log) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// errBusy says that a log is being written by another process, or another Log.
var errBusy = errors.New("another run is being recorded there: choose another file, or wait for its end")

// ErrLogClosed is the error of a second Close.
var ErrLogClosed = errors.New("the log is closed")

// Close writes what is left, with e as the last line, and closes the file if [Create] has
// opened it. What the listeners hear after that is lost. A Time of 0 means now. It may
// wait for the file.
//
// The error says why the log is not complete, be it that of [Log.Err]. Then Close tries
// once more to add what was [Dropped], and e.
func (l *Log) Close(e End) error {
	l.stamp(&e.Time)
	l.mu.Lock()
	if l.end != nil {
		l.mu.Unlock()
		return ErrLogClosed
	}
	l.end = &e
	l.mu.Unlock()
	l.takeAll() // from now on, it is lost
	l.off.Store(true)
	err := l.Flush()
	if err != nil {
		l.writer.epilogue(&e)
	}
	if l.file != nil {
		err = errors.Join(err, l.file.Close())
	}
	return err
}
