package record

import (
	"bytes"
	"errors"
	"fmt"
	"time"
)

// A line of type "spans" stands for a number of spans of one worker that came one after the
// other, with the same task, and just succeeded. It takes an eighth of the bytes, which have to
// be made and copied, and where tasks take microseconds that shows: each column has the small
// differences from one attempt to the next. A [Reader] returns the spans.

// inOneLine is how many such spans in a row become one line. Fewer are easier to be read, and
// cost little.
const inOneLine = 16

// A streak is attempts in a row that just succeeded, with the same form. The worker itself
// makes lines of them, of many at once: what goes to the writer, and what waits for it, is a
// fifth of the bytes.
type streak struct {
	form *form
	all  []success
}

// A success is such an attempt.
type success struct {
	call               uint64
	start, queued, end int64
	index              int
}

// succeed adds the attempt that runs, which succeeds at the given time, to the streak. It needs
// a chunk with room.
func (s *shard) succeed(a *attempt, at int64) {
	if s.streak.form != a.form {
		s.endStreak()
		s.streak.form = a.form
	}
	s.streak.all = append(s.streak.all, success{a.call, a.start, a.queued, at, a.index})
	s.room--
}

// endStreak makes the lines of it.
func (s *shard) endStreak() {
	if len(s.streak.all) > 0 {
		s.chunk.lines = s.streak.append(s.chunk.lines)
		s.streak.all = s.streak.all[:0]
	}
}

// append appends the lines.
func (s *streak) append(b []byte) []byte {
	if len(s.all) >= inOneLine {
		return appendSpans(b, s.form, s.all)
	}
	for i := range s.all {
		b = Append(b, s.all[i].span(s.form))
	}
	return b
}

// span returns the line of the attempt alone.
func (n *success) span(f *form) *Span {
	return &Span{
		Start: time.Duration(n.start), End: time.Duration(n.end), Queued: time.Duration(n.queued), Call: n.call,
		Engine: f.from.number, Worker: int(f.worker), Input: n.index, Attempt: 1, Task: f.task, State: StateOK, Last: true,
	}
}

// appendSpans appends the line that such attempts have in common.
func appendSpans(b []byte, f *form, all []success) []byte {
	const micro = int64(time.Microsecond)
	b = head(b, "spans")
	b = number(b, `,"e":`, f.from.number)
	b = number(b, `,"w":`, int(f.worker))
	b = text(b, `,"task":`, f.task)

	b = append(b, `,"t":[`...)
	before := int64(0)
	for i := range all {
		b = element(b, all[i].start/micro-before)
		before = all[i].end / micro
	}
	b = append(b[:len(b)-1], `],"d":[`...)
	for i := range all {
		b = element(b, all[i].end/micro-all[i].start/micro)
	}
	b = append(b[:len(b)-1], `],"wait":[`...)
	before = 0
	for i := range all {
		wait := all[i].start/micro - all[i].queued/micro
		b = element(b, wait-before)
		before = wait
	}
	b = append(b[:len(b)-1], `],"c":[`...)
	b = append(digits(b, all[0].call), ',')
	for i := range all[1:] {
		b = element(b, int64(all[i+1].call-all[i].call))
	}
	b = append(b[:len(b)-1], `],"i":[`...)
	index := all[0].index
	b = append(integer(b, int64(index)), ',')
	if !sameInput(all) {
		for i := range all[1:] {
			b = element(b, int64(all[i+1].index-index))
			index = all[i+1].index
		}
	}
	return append(b[:len(b)-1], "]}\n"...)
}

// sameInput reports whether all have the same number of an input, as calls that were
// submitted without one do.
func sameInput(all []success) bool {
	for i := range all {
		if all[i].index != all[0].index {
			return false
		}
	}
	return true
}

// element appends a number of a column: most have few digits.
func element(b []byte, n int64) []byte {
	switch u := uint64(n); {
	case u < 10:
		return append(b, byte('0'+u), ',')
	case u < 100:
		return append(b, byte('0'+u/10), byte('0'+u%10), ',')
	case u < 1000:
		return append(b, byte('0'+u/100), byte('0'+u/10%10), byte('0'+u%10), ',')
	}
	return append(integer(b, n), ',')
}

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
	t, d, wait, i  []int64
	c              []uint64 // modulo 1<<64
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
		s.t = in.integers()
	case "d":
		s.d = in.integers()
	case "wait":
		s.wait = in.integers()
	case "c":
		s.c = in.numbers()
	case "i":
		s.i = in.integers()
	default:
		return false
	}
	return true
}

// expand returns the spans that the line stands for.
func (s *spans) expand() ([]Span, error) {
	const micro = time.Microsecond
	n := len(s.t)
	if len(s.d) != n || max(len(s.wait), len(s.c), len(s.i)) > n {
		return nil, errors.New("its columns are not of one length")
	}
	all := make([]Span, n)
	var start, end, wait, index int64
	var call uint64
	for k := range all {
		start = end + s.t[k]
		end = start + s.d[k]
		wait += at(s.wait, k)
		queued := start - wait
		if !isMicros(start) || !isMicros(end) || !isMicros(queued) {
			return nil, fmt.Errorf("the times of its span %d are too long", k+1)
		}
		call += at(s.c, k)
		index += at(s.i, k)
		all[k] = Span{
			Start: micro * time.Duration(start), End: micro * time.Duration(end), Queued: micro * time.Duration(queued),
			Call: call, Engine: s.engine, Worker: s.worker, Input: int(index), Attempt: 1, Task: s.task, State: StateOK, Last: true,
		}
	}
	return all, nil
}

// at returns an element of a column, whose end is left out if it is zeros.
func at[T int64 | uint64](column []T, k int) T {
	if k < len(column) {
		return column[k]
	}
	return 0
}
