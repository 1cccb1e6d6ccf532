package record

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-braid/braid/engine"
)

// An attempt is what is known of one when it begins, but for the time that it has waited.
type attempt struct {
	call           uint64
	start, queued  int64 // nanoseconds since the base of the log
	parked         int64 // how long it has waited
	index          int
	from           *source
	task           string
	number, worker int32
}

// A note is what a listener takes down of something that is over. It is made into lines
// later, on the goroutine of the log. It is small, since there is one for each attempt, and
// what few have is apart.
type note struct {
	attempt
	end   int64
	pid   int32
	kind  noteKind
	state outcome // what became of the attempt, if its error is not kept
	rare  *rare
}

// rare is what few notes have.
type rare struct {
	err   error
	usage *Usage
	delay int64 // before the next attempt
}

type noteKind uint8

const (
	lastAttempt noteKind = iota
	earlierAttempt
	workerUp
	workerGone
)

// An outcome is the state of an attempt in a byte.
type outcome uint8

const (
	byError outcome = iota // as the error says
	refused                // it was never begun
	bare                   // it failed, and the error was not kept
)

// A running is an attempt that has begun.
type running struct {
	attempt
	since       int64 // when it began to wait; 0 if it does not
	done, total int64 // its progress
	told        bool  // there is a Start line
	moved       bool  // there is progress to be told
}

// Shards: one for each worker, unless there are very many, and some for attempts that run
// on none. So two that run at the same time hardly ever meet.
const (
	workerShards = 64
	looseShards  = 8
	shards       = workerShards + looseShards
)

// A shard is the attempts that run on some workers, and notes of those that are over.
type shard struct {
	mu     sync.Mutex
	chunk  *chunk
	runs   []running
	at     map[uint64]int32 // where a call is in runs, if those are many
	left   int64            // attempts that have left the queue
	done   int64            // calls that succeeded
	failed int64            // calls that did not
	_      [64]byte         // the next one is on another line of the cache
}

// few is how many attempts a shard looks through for the one that it wants.
const few = 8

// add makes room for the attempt at a call that begins, and returns it.
func (s *shard) add(call uint64) *attempt {
	n := len(s.runs) + 1
	if n > cap(s.runs) {
		s.runs = slices.Grow(s.runs, 1)
	}
	s.runs = s.runs[:n] // remove has cleared it
	a := &s.runs[n-1].attempt
	a.call = call
	switch {
	case s.at != nil:
		s.at[call] = int32(n - 1)
	case n > few:
		s.at = make(map[uint64]int32)
		for i := range s.runs {
			s.at[s.runs[i].call] = int32(i)
		}
	}
	return a
}

// find returns where the attempt at a call is in runs, or -1.
func (s *shard) find(call uint64) int {
	if s.at != nil {
		if i, ok := s.at[call]; ok {
			return int(i)
		}
		return -1
	}
	for i := len(s.runs) - 1; i >= 0; i-- {
		if s.runs[i].call == call {
			return i
		}
	}
	return -1
}

// remove takes attempt i out of runs.
func (s *shard) remove(i int) {
	last := len(s.runs) - 1
	if s.at != nil {
		delete(s.at, s.runs[i].call)
		if i < last {
			s.at[s.runs[last].call] = int32(i)
		}
	}
	if i < last {
		s.runs[i] = s.runs[last]
	}
	s.runs[last] = running{}
	s.runs = s.runs[:last]
	if last == 0 && cap(s.runs) > 1000 {
		s.runs, s.at = nil, nil
	}
}

// chunkSize is how many notes are handed over at once.
const chunkSize = 256

type chunk struct {
	n     int
	notes [chunkSize]note
}

// chunks are those that are full, and those that are free.
type chunks struct {
	mu   sync.Mutex
	most int // that there may be
	made int
	free []*chunk
	full []*chunk
}

// swap takes a full chunk, if there is one, and returns an empty one; nil if there are
// too many.
func (c *chunks) swap(full *chunk) (empty *chunk, waiting int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if full != nil {
		c.full = append(c.full, full)
	}
	switch n := len(c.free); {
	case n > 0:
		empty = c.free[n-1]
		c.free = c.free[:n-1]
	case c.made < c.most:
		c.made++
		empty = new(chunk)
	}
	return empty, len(c.full)
}

// take returns the full ones.
func (c *chunks) take(into []*chunk) []*chunk {
	c.mu.Lock()
	defer c.mu.Unlock()
	into = append(into, c.full...)
	clear(c.full)
	c.full = c.full[:0]
	return into
}

// release makes a chunk free again. Few are kept.
func (c *chunks) release(k *chunk) {
	const kept = 32
	clear(k.notes[:k.n])
	k.n = 0
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.free) < kept {
		c.free = append(c.free, k)
	} else {
		c.made--
	}
}

// note returns a new note of shard s, which must be locked, or nil if there is no room.
func (l *Log) note(s *shard) *note {
	k := s.chunk
	if k == nil || k.n == chunkSize {
		var waiting int
		if k, waiting = l.chunks.swap(k); k == nil {
			s.chunk = nil
			l.lost.Add(1)
			l.look()
			return nil
		}
		s.chunk = k
		if waiting >= early {
			l.look()
		}
	}
	k.n++
	return &k.notes[k.n-1]
}

// early is how many full chunks call the writer before its time. What waits should still be
// in a cache by then: with 48 of them, an attempt cost 100 ns more.
const early = 8

// A source is an engine that the log hears of.
type source struct {
	number int
	name   string

	remote atomic.Bool // there are processes
	mu     sync.Mutex
	pids   map[int]int // the processes of workers
}

func (s *source) started(worker, pid int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pids == nil {
		s.pids = make(map[int]int)
	}
	s.pids[worker] = pid
	s.remote.Store(true)
}

// pid returns the process of a worker, or 0 if that is this one.
func (s *source) pid(worker int32) int {
	if !s.remote.Load() {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pids[int(worker)]
}

// processes returns those of the workers.
func (s *source) processes() []int {
	if !s.remote.Load() {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.pids))
}

// stopped forgets a worker, unless there is another one of that number by now.
func (s *source) stopped(worker, pid int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pids[worker] == pid {
		delete(s.pids, worker)
	}
}

// Usage is what an attempt has used, as far as the engine does not tell: what is known of
// a command.
type Usage struct {
	PID    int           // its process
	CPU    time.Duration // processor time, of user and system
	RSS    int64         // the largest memory, in bytes
	Exit   int           // the exit code
	Signal string        // the signal that ended it, such as "SIGKILL"
	Out    int64         // bytes that it wrote to its standard output
	ErrOut int64         // and to its standard error
	Stdout string        // the end of its standard output; the log keeps 4 KiB
	Stderr string        // the end of its standard error, likewise
	Cut    bool          // whether there was more than these
}

// usages wait for the ends of the attempts.
type usages struct {
	n  atomic.Int64
	mu sync.Mutex
	of map[attemptKey]*Usage
}

type attemptKey struct{ index, number int }

// Usage tells what an attempt has used, and is called while its body runs. The input is
// [engine.Event.Index], attempts count from 1. Two engines of one log must not run the
// same attempt at the same input at once.
func (l *Log) Usage(input, number int, u Usage) {
	if l.off.Load() {
		return
	}
	// What is longer is not kept alive.
	u.Cut = u.Cut || len(u.Stdout) > maxText || len(u.Stderr) > maxText
	u.Stdout, u.Stderr = tail(u.Stdout), tail(u.Stderr)
	us := &l.usages
	us.mu.Lock()
	defer us.mu.Unlock()
	if us.of == nil {
		us.of = make(map[attemptKey]*Usage)
	}
	if len(us.of) >= maxUsages {
		l.lost.Add(1)
		return
	}
	us.of[attemptKey{input, number}] = &u
	us.n.Store(int64(len(us.of)))
}

func (us *usages) take(index, number int) *Usage {
	us.mu.Lock()
	defer us.mu.Unlock()
	key := attemptKey{index, number}
	u := us.of[key]
	delete(us.of, key)
	us.n.Store(int64(len(us.of)))
	return u
}

// Listener returns a listener for an engine, and writes its [Engine] line. A Number of 0
// means the next one, and a Time of 0 now. It may be given to several engines, if they
// are to be seen as one.
func (l *Log) Listener(e Engine) *engine.Listener {
	l.stamp(&e.Time)
	return l.listen(l.introduce(e))
}

func (l *Log) introduce(e Engine) *source {
	l.mu.Lock()
	if e.Number == 0 {
		e.Number = len(l.engines) + 1
	}
	s := &source{number: e.Number, name: e.Name}
	l.engines = append(l.engines, s)
	l.pending = Append(l.pending, &e) // there is always room for it
	l.mu.Unlock()
	l.stir()
	return s
}
