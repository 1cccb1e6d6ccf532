package record

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/go-braid/braid/engine"
)

// A line of type "spans" stands for a number of spans of one worker that came one after the
// other, with the same task, and just succeeded. It takes a thirteenth of the bytes, which have to
// be made and copied, and where tasks take microseconds that shows: there are columns of small
// differences from one attempt to the next, and of what is usual only the exceptions. A [Reader]
// returns the spans.

// inOneLine is how many such spans in a row become one line. Fewer are easier to be read, and
// cost little.
const inOneLine = 16

// A streak is attempts in a row that just succeeded, with the same form, of which the log was
// told by events. The worker itself makes lines of them, of many at once: what goes to the
// writer, and what waits for it, is a small part of the bytes.
type streak struct {
	form *form
	all  []engine.Attempt // on the clock of the log
}

// succeed adds the attempt that runs, which succeeds at the given time, to the streak. It needs
// a chunk with room.
func (s *shard) succeed(a *attempt, at int64) {
	if s.streak.form != a.form {
		s.endStreak()
		s.streak.form = a.form
	}
	s.streak.all = append(s.streak.all, engine.Attempt{
		Call: a.call, Index: a.index, Queued: time.Duration(a.queued), Start: time.Duration(a.start), End: time.Duration(at),
	})
	s.room--
}

// endStreak makes the lines of it.
func (s *shard) endStreak() {
	if len(s.streak.all) > 0 {
		s.lines(s.streak.form, 0, s.streak.all)
		s.streak.all = s.streak.all[:0]
	}
}

// lines makes the lines of attempts that just succeeded, with the same form, on a clock that is
// ahead of the log's. It needs a chunk.
func (s *shard) lines(f *form, ahead int64, all []engine.Attempt) {
	if s.made == nil {
		s.made = make([]byte, 0, 2*maxElement*engine.TrackLen)
	}
	// Elsewhere, since there must be room for more than they take.
	s.made = s.columns.appendStreak(s.made[:0], f, ahead, all)
	s.chunk.lines = append(s.chunk.lines, s.made...)
}

// columns are where those of a line are gathered before it is written. They are kept for the
// next line.
type columns struct{ column, gaps, steps []int64 }

// appendStreak appends such lines.
func (c *columns) appendStreak(b []byte, f *form, ahead int64, all []engine.Attempt) []byte {
	if len(all) >= inOneLine {
		return c.appendSpans(b, f, ahead, all)
	}
	for i := range all {
		a := &all[i]
		b = Append(b, &Span{
			Start: a.Start - time.Duration(ahead), End: a.End - time.Duration(ahead), Queued: a.Queued - time.Duration(ahead),
			Call: a.Call, Engine: f.from.number, Worker: int(f.worker), Input: a.Index, Attempt: 1, Task: f.task, State: StateOK, Last: true,
		})
	}
	return b
}

// appendSpans appends the line that such attempts have in common.
func (c *columns) appendSpans(b []byte, f *form, ahead int64, all []engine.Attempt) []byte {
	micros := func(t time.Duration) int64 { return (int64(t) - ahead) / int64(time.Microsecond) }
	first := &all[0]
	// One column after the other: what is large has left the cache since the last line.
	c.column = slices.Grow(c.column[:0], len(all))
	column, gaps, steps := c.column[:len(all)], c.gaps[:0], c.steps[:0]
	turned, end, last := first.Start, micros(first.Start), first.Call-1
	lead := int64(first.Index) - int64(first.Call) // of the input's number
	goes := true                                   // it does so with that of the call
	for i := range all {
		a := &all[i]
		start := end
		if a.Start != turned {
			if start = micros(a.Start); start != end {
				gaps = append(gaps, int64(i), start-end)
			}
		}
		turned, end = a.End, micros(a.End)
		column[i] = end - start
		if step := a.Call - last; step != 1 {
			steps = append(steps, int64(i), int64(step))
		}
		last = a.Call
		goes = goes && int64(a.Index)-int64(last) == lead
	}
	c.gaps, c.steps = gaps, steps

	b = head(b, "spans")
	b = number(b, `,"e":`, f.from.number)
	b = number(b, `,"w":`, int(f.worker))
	b = text(b, `,"task":`, f.task)
	b = always(b, `,"t":`, micros(first.Start))
	b = appendColumn(b, `,"d":[`, column)
	b = appendColumn(b, `,"gap":[`, gaps)
	before := int64(0)
	for i := range all {
		at := micros(all[i].Queued)
		column[i], before = at-before, at
	}
	b = appendColumn(b, `,"q":[`, withoutZeros(column))
	b = call(b, first.Call)
	b = appendColumn(b, `,"step":[`, steps)
	if goes {
		return append(always(b, `,"ic":`, lead), "}\n"...)
	}
	before = 0
	for i := range all {
		at := int64(all[i].Index)
		column[i], before = at-before, at
	}
	b = appendColumn(b, `,"i":[`, withoutZeros(column))
	return append(b, "}\n"...)
}

// withoutZeros returns what there is up to the last that is no zero.
func withoutZeros(column []int64) []int64 {
	for len(column) > 0 && column[len(column)-1] == 0 {
		column = column[:len(column)-1]
	}
	return column
}

// appendColumn appends a column with its key, unless it is empty.
func appendColumn(b []byte, key string, column []int64) []byte {
	if len(column) == 0 {
		return b
	}
	b = slices.Grow(append(b, key...), maxElement*len(column))
	n := len(b)
	for _, e := range column {
		if uint64(e) >= uint64(len(small)) {
			b = append(integer(b[:n], e), ',')
			n = len(b)
			continue
		}
		is := small[e]
		binary.LittleEndian.PutUint32(b[n:n+4:cap(b)], is) // the next element is written over its length
		n += int(is >> 24)
	}
	b = b[:n]
	b[n-1] = ']'
	return b
}

// maxElement is the longest element of a column: a sign, nineteen digits and a comma.
const maxElement = 21

// small has the numbers below 100 as elements, which most are, each with its length in the last
// byte: no processor foresees how long they are.
var small = func() (list [100]uint32) {
	for i := range list {
		s := append(strconv.AppendInt(nil, int64(i), 10), ',')
		var is [4]byte
		copy(is[:], s)
		is[3] = byte(len(s))
		list[i] = binary.LittleEndian.Uint32(is[:])
	}
	return list
}()

// events returns how many events lines tell of.
func events(lines []byte) (n int64) {
	for line := range bytes.Lines(lines) {
		n++
		if bytes.HasPrefix(line, []byte(`{"type":"spans"`)) {
			// No string in a line has a quote that stands by itself.
			_, rest, _ := bytes.Cut(line, []byte(`"d":[`))
			column, _, _ := bytes.Cut(rest, []byte("]"))
			n += int64(bytes.Count(column, []byte(",")))
		}
	}
	return n
}

// spans is the line as it is read.
type spans struct {
	engine, worker int
	task           string
	t              int64
	gap            []int64
	d, q           []int64
	call           uint64
	step           []int64
	i              []int64
	ic             int64
	goes           bool // there is ic
}

func (s *spans) field(key []byte, in *scanner) bool {
	switch string(key) {
	case "e":
		s.engine = in.int()
	case "w":
		s.worker = in.int()
	case "task":
		s.task = in.name()
	case "t":
		s.t = in.integer()
	case "gap":
		s.gap = in.integers()
	case "d":
		s.d = in.integers()
	case "q":
		s.q = in.integers()
	case "c":
		s.call = in.call()
	case "step":
		s.step = in.integers()
	case "i":
		s.i = in.integers()
	case "ic":
		s.ic, s.goes = in.integer(), true
	default:
		return false
	}
	return true
}

// expand returns the spans that the line stands for.
func (s *spans) expand() ([]Span, error) {
	const micro = time.Microsecond
	n := len(s.d)
	if max(len(s.q), len(s.i)) > n {
		return nil, errors.New("its columns are longer than that of the durations")
	}
	gaps, steps := exceptions(s.gap), exceptions(s.step)
	all := make([]Span, n)
	end, call := s.t, s.call-1 // as if there were one before
	var queued, index int64
	for k := range all {
		start := end + gaps.next(k, 0)
		end = start + s.d[k]
		queued += at(s.q, k)
		if !isMicros(start) || !isMicros(end) || !isMicros(queued) {
			return nil, fmt.Errorf("the times of its span %d are too long", k+1)
		}
		call += uint64(steps.next(k, 1))
		if s.goes {
			index = int64(call) + s.ic
		} else {
			index += at(s.i, k)
		}
		all[k] = Span{
			Start: micro * time.Duration(start), End: micro * time.Duration(end), Queued: micro * time.Duration(queued),
			Call: call, Engine: s.engine, Worker: s.worker, Input: int(index), Attempt: 1, Task: s.task, State: StateOK, Last: true,
		}
	}
	if len(gaps) > 0 || len(steps) > 0 {
		return nil, errors.New("its exceptions are not pairs of a span, in their order, and a number")
	}
	return all, nil
}

// exceptions are pairs of a position and what is there in place of what is usual, in the order
// of the positions.
type exceptions []int64

// next returns what there is at position k, and goes past it.
func (e *exceptions) next(k int, usual int64) int64 {
	if len(*e) < 2 || (*e)[0] != int64(k) {
		return usual
	}
	is := (*e)[1]
	*e = (*e)[2:]
	return is
}

// at returns an element of a column, whose end is left out if it is zeros.
func at(column []int64, k int) int64 {
	if k < len(column) {
		return column[k]
	}
	return 0
}
