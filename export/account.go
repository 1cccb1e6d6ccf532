package export

import (
	"cmp"
	"errors"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/go-braid/braid/record"
)

// errorText is how much of the text of an error is kept while a record is read, in bytes.
const errorText = 1 << 10

// An account is a record while it is read: what later lines refer to. It holds what is
// under way and what is distinct, so it does not grow with the number of attempts.
type account struct {
	r       *record.Reader
	run     record.Run
	engines []record.Engine // in the order of the record
	errors  map[int]record.Error
	inputs  map[int]record.Input   // of calls that are not complete
	open    map[run]*record.Start  // attempts that run
	repeats map[uint64]*repetition // calls with several attempts that are not complete
	end     *record.End
	last    time.Duration // the latest time that a line tells
	dropped int64         // how many events the record says that it lacks
	lost    int           // how many lines are broken
	broken  error         // the first of them

	whole bool // whether the last span completed its call
	done  int  // the input of the call that the last line completed, or -1
}

func newAccount(r *record.Reader) *account {
	return &account{
		r: r, done: -1,
		errors: make(map[int]record.Error), inputs: make(map[int]record.Input),
		open: make(map[run]*record.Start), repeats: make(map[uint64]*repetition),
	}
}

// A run is an attempt at a call.
type run struct {
	call    uint64
	attempt int
}

// A repetition is how many attempts of a call have been told. They come in any order.
type repetition struct{ told, of int }

// complete reports whether s is the last thing to be told of its call.
func (a *account) complete(s *record.Span) bool {
	if s.Last && s.Attempt <= 1 {
		return true
	}
	r := a.repeats[s.Call]
	if r == nil {
		r = new(repetition)
		a.repeats[s.Call] = r
	}
	r.told++
	if s.Last {
		r.of = s.Attempt
	}
	if r.of == 0 || r.told < r.of {
		return false
	}
	delete(a.repeats, s.Call)
	return true
}

// next returns the next line, when it is in the account, and io.EOF after the last.
func (a *account) next() (record.Line, error) {
	if a.done >= 0 {
		delete(a.inputs, a.done)
		a.done = -1
	}
	line, err := a.r.Next()
	if err != nil {
		return nil, err
	}
	switch l := line.(type) {
	case *record.Run:
		a.run = *l
	case *record.Engine:
		a.engines = append(a.engines, *l)
		a.saw(l.Time)
	case *record.Input:
		a.inputs[l.Number] = *l
		a.saw(l.Time)
	case *record.Error:
		e := *l
		e.Text, e.Stack = cut(e.Text, errorText), ""
		a.errors[e.Number] = e
	case *record.Start:
		s := *l
		a.open[run{l.Call, l.Attempt}] = &s
		a.saw(l.Start)
	case *record.Span:
		delete(a.open, run{l.Call, l.Attempt})
		if a.whole = a.complete(l); a.whole && len(a.engines) < 2 { // several engines may do the same inputs
			a.done = l.Input
		}
		a.saw(l.End)
	case *record.Sample:
		a.saw(l.Time)
	case *record.Mark:
		a.saw(l.Time)
	case *record.Dropped:
		a.dropped += l.Events
	case *record.End:
		e := *l
		a.end = &e
		a.saw(l.Time)
	}
	return line, nil
}

// engine returns the engine of that number, or nil.
func (a *account) engine(number int) *record.Engine {
	for i := range a.engines {
		if a.engines[i].Number == number {
			return &a.engines[i]
		}
	}
	return nil
}

func (a *account) saw(t time.Duration) { a.last = max(a.last, t) }

// unfinished calls f with a span for each attempt that runs at the end of the record, up
// to there.
func (a *account) unfinished(f func(*record.Span) error) error {
	for _, key := range slices.SortedFunc(maps.Keys(a.open), func(a, b run) int {
		return cmp.Or(cmp.Compare(a.call, b.call), cmp.Compare(a.attempt, b.attempt))
	}) {
		s := a.open[key]
		if err := f(&record.Span{
			Start: s.Start, End: max(a.last, s.Start), Queued: s.Queued, Call: s.Call, Engine: s.Engine, Worker: s.Worker,
			Input: s.Input, Attempt: s.Attempt, PID: s.PID, Task: s.Task, State: unfinished,
		}); err != nil {
			return err
		}
	}
	return nil
}

// unfinished is the state of an attempt of which the record does not tell the end.
const unfinished record.State = "unfinished"

// drain calls f with all lines to the end of the record. Broken ones are left out, and
// noted.
func (a *account) drain(f func(record.Line) error) error {
	for {
		line, err := a.next()
		if err == io.EOF {
			if a.run.Schema == "" {
				return record.ErrNoLog // not even begun
			}
			return nil
		}
		if broken, ok := errors.AsType[*record.SyntaxError](err); ok {
			if a.broken == nil {
				a.broken = broken
			}
			a.lost++
			continue
		}
		if err != nil {
			return err
		}
		if err := f(line); err != nil {
			return err
		}
	}
}
