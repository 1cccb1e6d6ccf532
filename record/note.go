package record

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-braid/braid/engine"
)

// An attempt is what is known of one when it begins, but for the time that it has waited.
type attempt struct {
	call          uint64
	start, queued int64 // nanoseconds since the base of the log
	parked        int64 // how long it has waited
	index         int
	number        int32
	form          *form
}

// A note is what a listener takes down of something that is over, but for what just succeeds;
// see streak. It is made into lines later, on the goroutine of the log.
type note struct {
	attempt
	after int // how many bytes of the chunk's lines come before it
	end   int64
	pid   int32
	kind  noteKind
	state outcome // what became of the attempt, if its error is not kept
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
//
// What an attempt touches when it begins is in the first line of the cache, and in two when it
// ends: between two tasks, others may have had that cache.
type shard struct {
	mu   sync.Mutex
	room int   // in the chunk
	form *form // of the last attempt
	runs []running
	at   map[uint64]int32 // where a call is in runs, if those are many
	left int64            // attempts that have left the queue

	chunk   *chunk
	streak  streak   // that is not in the lines of the chunk yet
	made    []byte   // where lines are made
	columns columns  // of lines that are made
	tracks  []*track // of its workers
	done    int64    // calls that succeeded
	failed  int64    // calls that did not
	forms   map[form]*form

	_ [64]byte // processors fetch lines in pairs
}

// few is how many attempts a shard looks through for the one that it wants.
const few = 8

// add makes room for the attempt at a call that begins, and returns it, to be filled in.
func (s *shard) add(call uint64) *running {
	n := len(s.runs) + 1
	if n > cap(s.runs) {
		// So many that no other worker writes into the same line of the cache.
		s.runs = slices.Grow(s.runs, few)
	}
	s.runs = s.runs[:n]
	r := &s.runs[n-1]
	*r = running{attempt: attempt{call: call}}
	switch {
	case s.at != nil:
		s.at[call] = int32(n - 1)
	case n > few:
		s.at = make(map[uint64]int32)
		for i := range s.runs {
			s.at[s.runs[i].call] = int32(i)
		}
	}
	return r
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
	s.runs = s.runs[:last] // what stands behind keeps only forms alive
	if last == 0 && cap(s.runs) > 1000 {
		s.runs, s.at = nil, nil
	}
}

// chunkSize is how many attempts are handed over at once.
const chunkSize = 256

// A chunk is what a shard knows, on its way to the writer: lines of successes, and notes of the
// rest.
type chunk struct {
	lines []byte
	ended []int // inputs of those attempts, if their texts are kept
	notes []note
}

// events returns how many events the chunk tells of.
func (k *chunk) events() int64 { return events(k.lines) + int64(len(k.notes)) }

// note returns a new note, to be filled in. It needs a chunk with room.
func (s *shard) note() *note {
	s.endStreak()
	s.room--
	k := s.chunk
	k.notes = append(k.notes, note{after: len(k.lines)})
	return &k.notes[len(k.notes)-1]
}

// give gives the chunk away, if there is one that is not empty.
func (s *shard) give() *chunk {
	k := s.chunk
	if k == nil || s.room == chunkSize {
		return nil
	}
	s.endStreak()
	s.chunk, s.room = nil, 0
	return k
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
		empty = &chunk{lines: make([]byte, 0, 12*chunkSize)}
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
	const kept = 2 * early
	clear(k.notes)
	k.lines, k.ended, k.notes = k.lines[:0], k.ended[:0], k.notes[:0]
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.free) < kept {
		c.free = append(c.free, k)
	} else {
		c.made--
	}
}

// room returns the chunk of shard s, which must be locked, with room for a note, or nil if
// there is none.
func (l *Log) room(s *shard) *chunk {
	if s.room > 0 {
		return s.chunk
	}
	return l.next(s)
}

// next gives the shard an empty chunk, if there may be one more.
func (l *Log) next(s *shard) *chunk {
	k, waiting := l.chunks.swap(s.give())
	if s.chunk = k; k != nil {
		s.room = chunkSize
	} else {
		l.lost.Add(1)
	}
	if k == nil || waiting >= min(early, l.chunks.most/2) {
		l.look()
	}
	return k
}

// early is how many full chunks call the writer before its time, unless there is room for less
// than twice as many. They are few, since while tasks are short there are as many: what lives
// in a small program has its garbage collected more often.
const early = 16

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
	if !l.used.Load() {
		l.claimAll()
	}
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
