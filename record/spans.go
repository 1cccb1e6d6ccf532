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
// other, with the same task, and just succeeded. It takes an eighth of the bytes, which have to
// be made and copied, and where tasks take microseconds that shows: there are columns of small
// differences from one attempt to the next, and of what is usual only the exceptions. A [Reader]
// returns the spans.

// inOneLine is how many such spans in a row become one line. Fewer are easier to be read, and
// cost little.
const inOneLine = 16

// A streak is attempts in a row that just succeeded, with the same form, of which the log was
// told by events. The worker itself makes lines of them, of many at once: what goes to the
// writer, and what waits for it, is a fifth of the bytes.
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
	// Elsewhere, since there must be room for more than they take.
	s.made = appendStreak(s.made[:0], f, ahead, all)
	s.chunk.lines = append(s.chunk.lines, s.made...)
}

// appendStreak appends such lines.
func appendStreak(b []byte, f *form, ahead int64, all []engine.Attempt) []byte {
	if len(all) >= inOneLine {
		return appendSpans(b, f, ahead, all)
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

// appendSpans appends the line that such attempts, at most chunkSize, have in common.
func appendSpans(b []byte, f *form, ahead int64, all []engine.Attempt) []byte {
	micros := func(t time.Duration) int64 { return (int64(t) - ahead) / int64(time.Microsecond) }
	b = head(b, "spans")
	b = number(b, `,"e":`, f.from.number)
	b = number(b, `,"w":`, int(f.worker))
	b = text(b, `,"task":`, f.task)

	first := &all[0]
	b = always(b, `,"t":`, micros(first.Start))
	var columns [2][chunkSize]int64
	var pairs [2 * chunkSize]int64
	d, q, except := columns[0][:len(all)], columns[1][:len(all)], pairs[:0]
	var end, queued int64
	for i := range all {
		a := &all[i]
		start, before := micros(a.Start), queued
		if i > 0 && start != end {
			except = append(except, int64(i), start-end)
		}
		end, queued = micros(a.End), micros(a.Queued)
		d[i] = end - start
		q[i] = queued - before
	}
	b = appendColumn(b, `,"gap":[`, except)
	b = appendColumn(b, `,"d":[`, d)
	b = appendColumn(b, `,"q":[`, trimmed(q))

	b = call(b, first.Call)
	except = pairs[:0]
	index := d
	var before int64
	goes := true // the number of the input with that of the call
	for i := range all {
		a := &all[i]
		if i > 0 {
			if step := int64(a.Call - all[i-1].Call); step != 1 {
				except = append(except, int64(i), step)
			}
		}
		goes = goes && int64(a.Index)-int64(a.Call) == int64(first.Index)-int64(first.Call)
		index[i] = int64(a.Index) - before
		before = int64(a.Index)
	}
	b = appendColumn(b, `,"step":[`, except)
	if goes {
		b = always(b, `,"ic":`, int64(first.Index)-int64(first.Call))
	} else {
		b = appendColumn(b, `,"i":[`, trimmed(index))
	}
	return append(b, "}\n"...)
}

// trimmed returns a column without the zeros at its end.
func trimmed(column []int64) []int64 {
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
	b = append(b, key...)
	b = slices.Grow(b, maxElement*len(column))
	out, n := b[:cap(b)], len(b)
	for _, e := range column {
		out[n] = '-'
		n += int(uint64(e) >> 63)
		u := uint64(max(e, -e))
		if u < uint64(len(small)) {
			binary.LittleEndian.PutUint32(out[n:], small[u])
			n += 2
			if u >= 10 {
				n++
			}
			continue
		}
		n = len(append(digits(out[:n], u), ','))
	}
	out[n-1] = ']'
	return out[:n]
}

// maxElement is the longest element of a column: a sign, nineteen digits and a comma, and what
// is written behind a short one.
const maxElement = 24

// small has the numbers below 100 as elements: most are.
var small = func() (list [100]uint32) {
	for i := range list {
		s := append(strconv.AppendInt(nil, int64(i), 10), ",   "...)
		list[i] = binary.LittleEndian.Uint32(s)
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
