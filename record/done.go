package record

import (
	"errors"
	"slices"
	"strconv"
	"time"
)

// A Done line says which inputs are done: their results are where they are to go, and
// whoever takes the run up need not make them again. In the log of a run that [Run.Delivers]
// no other input is done, even if its attempt has succeeded.
type Done struct {
	Time   time.Duration // when that was known
	Inputs [][2]int      // ranges of numbers, each with its first and its last
}

// Done says that inputs are done. There is one line for all of a call, in which numbers
// that follow one another are one range.
//
// It is in the file when Done returns, with the lines before it, unless the recording has
// ended: from then on no death of the process has these inputs made again. Therefore Done
// waits for the file, which other methods do not. Who has many inputs that are done quickly
// calls it for some at a time.
func (l *Log) Done(inputs ...int) {
	if len(inputs) > 0 {
		l.add(&Done{Time: l.Now(), Inputs: ranges(inputs)})
		l.writer.commit()
	}
}

// ranges returns the ranges that the numbers make, in their order.
func ranges(numbers []int) (list [][2]int) {
	if !slices.IsSorted(numbers) {
		numbers = slices.Sorted(slices.Values(numbers))
	}
	for _, n := range numbers {
		if last := len(list) - 1; last >= 0 && n <= list[last][1]+1 {
			list[last][1] = n
		} else {
			list = append(list, [2]int{n, n})
		}
	}
	return list
}

func (d *Done) append(b []byte) []byte {
	b = alwaysMicros(head(b, "done"), `,"t":`, d.Time)
	b = append(b, `,"i":[`...)
	for i, r := range d.Inputs {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(append(b, '['), int64(r[0]), 10)
		b = strconv.AppendInt(append(b, ','), int64(r[1]), 10)
		b = append(b, ']')
	}
	return append(b, "]}"...)
}

func (d *Done) field(key []byte, s *scanner) bool {
	switch string(key) {
	case "t":
		d.Time = s.micros()
	case "i":
		d.Inputs = s.ranges()
	default:
		return false
	}
	return true
}

// ranges reads a list of pairs of numbers, the second of which is not less than the first.
func (s *scanner) ranges() (list [][2]int) {
	if s.null() {
		return nil
	}
	if !s.is('[') {
		s.fail(errors.New("not a list"))
		return nil
	}
	if s.is(']') {
		return nil
	}
	for s.err == nil {
		var r [2]int
		open := s.is('[')
		s.space()
		r[0] = s.int()
		comma := s.is(',')
		s.space()
		r[1] = s.int()
		if !open || !comma || !s.is(']') || r[1] < r[0] {
			s.fail(errors.New("not a range"))
			return nil
		}
		list = append(list, r)
		if s.is(']') {
			return list
		}
		if !s.is(',') {
			s.fail(errors.New("a list without an end"))
		}
	}
	return nil
}
