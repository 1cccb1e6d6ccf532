package record

import (
	"bytes"
	"errors"
	"fmt"
	"time"
)

// A line of type "spans" stands for a number of spans of one worker that came one after the
// other, with the same task, and just succeeded. It takes a seventh of the bytes, which have to
// be made and copied, and where tasks take microseconds that shows: each column has the small
// differences from one attempt to the next. A [Reader] returns the spans.

// inOneLine is how many such spans in a row become one line. Fewer are easier to be read, and
// cost little.
const inOneLine = 16

// appendSpans appends the line of successes that have their form in common.
func appendSpans(b []byte, all []success) []byte {
	const micro = int64(time.Microsecond)
	f := all[0].form
	b = head(b, "spans")
	b = number(b, `,"e":`, f.from.number)
	b = number(b, `,"w":`, int(f.worker))
	b = text(b, `,"task":`, f.task)
	b = append(b, `,"t":[`...)
	before := int64(0)
	for i := range all {
		b = append(integer(b, all[i].start/micro-before), ',')
		before = all[i].end / micro
	}
	b = append(b[:len(b)-1], `],"d":[`...)
	for i := range all {
		b = append(integer(b, all[i].end/micro-all[i].start/micro), ',')
	}
	b = append(b[:len(b)-1], `],"wait":[`...)
	for i := range all {
		b = append(integer(b, all[i].start/micro-all[i].queued/micro), ',')
	}
	b = append(b[:len(b)-1], `],"c":[`...)
	b = append(digits(b, all[0].call), ',')
	for i := range all[1:] {
		b = append(integer(b, int64(all[i+1].call-all[i].call)), ',')
	}
	b = append(b[:len(b)-1], `],"i":[`...)
	index := 0
	for i := range all {
		b = append(integer(b, int64(all[i].index-index)), ',')
		index = all[i].index
	}
	return append(b[:len(b)-1], "]}\n"...)
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
	if len(s.d) != n || len(s.wait) != n || len(s.c) != n || len(s.i) != n {
		return nil, errors.New("its columns are not of one length")
	}
	all := make([]Span, n)
	var start, end, index int64
	var call uint64
	for k := range all {
		start = end + s.t[k]
		end = start + s.d[k]
		queued := start - s.wait[k]
		if !isMicros(start) || !isMicros(end) || !isMicros(queued) {
			return nil, fmt.Errorf("the times of its span %d are too long", k+1)
		}
		call += s.c[k]
		index += s.i[k]
		all[k] = Span{
			Start: micro * time.Duration(start), End: micro * time.Duration(end), Queued: micro * time.Duration(queued),
			Call: call, Engine: s.engine, Worker: s.worker, Input: int(index), Attempt: 1, Task: s.task, State: StateOK, Last: true,
		}
	}
	return all, nil
}
