package cli

import (
	"context"
	"iter"
	"sync"

	"github.com/go-braid/braid/internal/input"
)

// A source hands the inputs of a run to the loop, which must not wait for a slow
// input while results arrive: a goroutine reads them, a bounded number ahead.
// Next, done and stop are called by the loop only.
type source struct {
	ready  chan struct{} // holds a token when next may have something new
	cancel context.CancelFunc
	look   func(*entry) // looks at each input before anybody else does; may be nil
	taken  []entry      // what the loop has taken over and not used yet
	ended  bool         // and there is no more

	mu     sync.Mutex
	read   []entry       // what the reader has read and the loop not taken over
	atEnd  bool          // and there is no more
	demand chan struct{} // holds a token when the loop has taken over
}

type entry struct {
	item   input.Item
	err    error
	key    string  // what the record of the run knows the input by; empty without one
	number int     // of the input; 0 means its place in this source, from 1
	turn   turning // whether the input has its turn in this run
}

// A turning says whether an input has its turn.
type turning uint8

const (
	hasTurn  turning = iota
	hadTurn          // an earlier run, which this one takes up, has done it
	notAsked         // it is not among those that this run was asked to do again
)

// readAhead is how many inputs the reader is ahead at most.
const readAhead = 256

// newSource starts to read items. Look, if it is not nil, may mark each; it is called by
// one goroutine.
func newSource(ctx context.Context, items iter.Seq2[input.Item, error], look func(*entry)) *source {
	ctx, cancel := context.WithCancel(ctx)
	s := &source{
		ready:  make(chan struct{}, 1),
		demand: make(chan struct{}, 1),
		cancel: cancel,
		look:   look,
	}
	go s.readAll(ctx, items)
	return s
}

// sliceSource returns a source of inputs that are there already.
func sliceSource(entries []entry) *source {
	return &source{cancel: func() {}, taken: entries, ended: true}
}

func (s *source) readAll(ctx context.Context, items iter.Seq2[input.Item, error]) {
	defer func() {
		s.mu.Lock()
		s.atEnd = true
		s.mu.Unlock()
		token(s.ready)
	}()
	for it, err := range items {
		e := entry{item: it, err: err}
		if s.look != nil {
			s.look(&e)
		}
		for !s.offer(e) {
			select {
			case <-s.demand:
			case <-ctx.Done():
				return
			}
		}
	}
}

// offer adds e to what has been read, if there is room.
func (s *source) offer(e entry) bool {
	s.mu.Lock()
	if len(s.read) >= readAhead {
		s.mu.Unlock()
		return false
	}
	s.read = append(s.read, e)
	first := len(s.read) == 1
	s.mu.Unlock()
	if first {
		token(s.ready)
	}
	return true
}

// next returns the next input, if there is one now.
func (s *source) next() (e entry, ok bool) {
	if len(s.taken) == 0 && !s.ended {
		s.mu.Lock()
		s.taken, s.read, s.ended = s.read, nil, s.atEnd
		s.mu.Unlock()
		token(s.demand)
	}
	if len(s.taken) == 0 {
		return entry{}, false
	}
	e = s.taken[0]
	s.taken = s.taken[1:]
	return e, true
}

// done reports whether next will never have anything again.
func (s *source) done() bool { return s.ended && len(s.taken) == 0 }

// more reports whether there is a further input that next has not returned. If
// that is not known yet, it waits for the reader, or else says yes.
func (s *source) more(wait bool) bool {
	for !s.done() {
		s.mu.Lock()
		unused, atEnd := len(s.taken)+len(s.read), s.atEnd
		s.mu.Unlock()
		switch {
		case unused > 0 || !wait && !atEnd:
			return true
		case atEnd:
			return false
		}
		<-s.ready
	}
	return false
}

// stop ends the reading. The reader may stay behind in a read that cannot be
// interrupted.
func (s *source) stop() {
	s.cancel()
	s.taken, s.ended = nil, true
}

// token puts a token into c, which holds one at most.
func token(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
