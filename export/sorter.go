package export

import (
	"bufio"
	"cmp"
	"container/heap"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// sortMemory is how many bytes a sorter keeps in memory.
const sortMemory = 64 << 20

// A kind says what an item becomes. Of items of the same time the lower kind comes
// first.
type kind uint8

const (
	submission kind = iota // a call was handed to its engine
	refusal                // and the engine did not take it
	slice                  // an attempt
	instant                // on the track of a worker
	enginewide             // an instant of an engine
	global                 // an instant of the run
	counter
)

// ends says which ends of arrows a slice has: they lead from each slice of a call to the
// next.
type ends byte

const (
	flowIn ends = 1 << iota
	flowOut
)

// An item is an event of the trace that is not written yet, because its place in the
// order or its track is not known.
type item struct {
	at, dur int64 // in µs
	seq     uint64
	flow    uint64 // the number of the chain, 0 if it is in none
	cpu     int64  // in µs; 0: not known
	engine  int32  // its number in the record, from 1
	worker  int32  // 0: none, or any
	kind    kind
	ends    ends
	tail    []byte // what the event has besides its time and its place, in JSON
}

// itemSize is about what an item takes besides its tail.
const itemSize = 88

// compareItems puts parents before what they contain, and leaves what is equal in its
// order.
func compareItems(a, b item) int {
	return cmp.Or(
		cmp.Compare(a.at, b.at),
		cmp.Compare(a.kind, b.kind),
		cmp.Compare(b.dur, a.dur),
		cmp.Compare(a.seq, b.seq),
	)
}

// A sorter sorts any number of items in bounded memory: what is too much goes to
// temporary files, each of them sorted.
type sorter struct {
	memory int // how much it may keep
	items  []item
	chunk  []byte // what is left of the memory that tails get
	size   int
	seq    uint64
	runs   []*os.File
}

// chunkSize is how much memory tails share, so that not each of them is an object.
const chunkSize = 64 << 10

// add hands an item over, with a copy of its tail.
func (s *sorter) add(it item, tail []byte) error {
	s.seq++
	it.seq = s.seq
	if n := len(tail); n > chunkSize/8 {
		it.tail = slices.Clone(tail)
	} else {
		if n > len(s.chunk) {
			s.chunk = make([]byte, chunkSize)
		}
		it.tail, s.chunk = s.chunk[:n:n], s.chunk[n:]
		copy(it.tail, tail)
	}
	s.items = append(s.items, it)
	s.size += itemSize + len(tail)
	if s.size < s.memory {
		return nil
	}
	return s.spill()
}

// spill writes what is in memory to a file of its own.
func (s *sorter) spill() error {
	f, err := os.CreateTemp("", "braid-export-*")
	if err != nil {
		return fmt.Errorf("the record is too large to sort in memory, and there is no room for a temporary file: %w", err)
	}
	s.runs = append(s.runs, f)
	_ = os.Remove(f.Name()) // while it is open, where that is possible; otherwise close does it
	slices.SortFunc(s.items, compareItems)
	w := bufio.NewWriterSize(f, 1<<18)
	var b []byte
	for _, it := range s.items {
		b = it.append(b[:0])
		if _, err := w.Write(b); err != nil {
			break // Flush says so again
		}
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("the record is too large to sort in memory, and the temporary file cannot be written: %w", err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	clear(s.items)
	s.items, s.chunk, s.size = s.items[:0], nil, 0
	return nil
}

// close removes the temporary files.
func (s *sorter) close() {
	for _, f := range s.runs {
		f.Close()
		_ = os.Remove(f.Name())
	}
	s.runs, s.items = nil, nil
}

// each calls f with the items in their order. The tail is valid until f returns.
func (s *sorter) each(f func(item) error) error {
	slices.SortFunc(s.items, compareItems)
	if len(s.runs) == 0 {
		for _, it := range s.items {
			if err := f(it); err != nil {
				return err
			}
		}
		return nil
	}
	m := make(merge, 0, len(s.runs)+1)
	sources := []source{&inMemory{s.items}}
	for _, r := range s.runs {
		sources = append(sources, &inFile{r: bufio.NewReaderSize(r, 1<<18)})
	}
	for _, src := range sources {
		it, err := src.next()
		if err == io.EOF {
			continue
		}
		if err != nil {
			return err
		}
		m = append(m, head{it, src})
	}
	heap.Init(&m)
	for len(m) > 0 {
		if err := f(m[0].item); err != nil {
			return err
		}
		it, err := m[0].source.next()
		switch {
		case err == io.EOF:
			heap.Pop(&m)
		case err != nil:
			return err
		default:
			m[0].item = it
			heap.Fix(&m, 0)
		}
	}
	return nil
}

// A source gives items in their order, and io.EOF after the last one. A tail is valid
// until the next call.
type source interface{ next() (item, error) }

type inMemory struct{ items []item }

func (m *inMemory) next() (item, error) {
	if len(m.items) == 0 {
		return item{}, io.EOF
	}
	it := m.items[0]
	m.items = m.items[1:]
	return it, nil
}

type inFile struct {
	r   *bufio.Reader
	buf []byte
}

func (f *inFile) next() (item, error) {
	var it item
	b, err := f.r.ReadByte()
	if err != nil {
		return it, err
	}
	it.kind = kind(b)
	if b, err = f.r.ReadByte(); err != nil {
		return it, torn(err)
	}
	it.ends = ends(b)
	var n [8]uint64
	for i := range n {
		if n[i], err = binary.ReadUvarint(f.r); err != nil {
			return it, torn(err)
		}
	}
	it.at, it.dur, it.seq, it.flow, it.cpu = int64(n[0]), int64(n[1]), n[2], n[3], int64(n[4])
	it.engine, it.worker = int32(n[5]), int32(n[6])
	if f.buf = slices.Grow(f.buf[:0], int(n[7]))[:n[7]]; n[7] > 0 {
		if _, err := io.ReadFull(f.r, f.buf); err != nil {
			return it, torn(err)
		}
	}
	it.tail = f.buf
	return it, nil
}

func torn(err error) error {
	return fmt.Errorf("a temporary file cannot be read back: %w", errors.Join(err, io.ErrUnexpectedEOF))
}

// append adds to b what next reads.
func (it *item) append(b []byte) []byte {
	b = append(b, byte(it.kind), byte(it.ends))
	for _, n := range [...]uint64{
		uint64(it.at), uint64(it.dur), it.seq, it.flow, uint64(it.cpu),
		uint64(uint32(it.engine)), uint64(uint32(it.worker)), uint64(len(it.tail)),
	} {
		b = binary.AppendUvarint(b, n)
	}
	return append(b, it.tail...)
}

// A merge is a heap of sources by their first items.
type merge []head

type head struct {
	item   item
	source source
}

func (m merge) Len() int           { return len(m) }
func (m merge) Less(i, j int) bool { return compareItems(m[i].item, m[j].item) < 0 }
func (m merge) Swap(i, j int)      { m[i], m[j] = m[j], m[i] }
func (m *merge) Push(x any)        { *m = append(*m, x.(head)) }
func (m *merge) Pop() any {
	last := len(*m) - 1
	h := (*m)[last]
	(*m)[last] = head{}
	*m = (*m)[:last]
	return h
}
