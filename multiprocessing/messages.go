package multiprocessing

import (
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/internal/codec"
	"github.com/go-braid/braid/internal/wire"
)

// The kinds of frames. On the control link, from the program:
const (
	kindHello  uint8 = 1 + iota // what the worker is to be; a hello
	kindCancel                  // call Seq is cancelled; the cause as an error
	kindPing                    // asks for kindPong
	kindStop                    // end when the current call is over
	kindFiles                   // open files for the argument of call Seq, or the result

	// On the control link, from the worker:
	kindReady  // it can take calls
	kindFailed // it cannot, and ends; an error
	kindPong   // it lives

	// On the data link, from the program:
	kindCall // a call; see appendCall

	// On the data link, from the worker:
	kindResult   // the outcome of item Index of call Seq; Flags say which
	kindDone     // the last item of call Seq is done; how long they took
	kindProgress // how far item Index of call Seq is; two numbers
	kindLog      // a record for the log, of call Seq or, if that is 0, of none
)

// The flags of kindCall and kindResult.
const (
	flagFiles  uint8 = 1 << iota // files go with it, in a kindFiles
	flagBatch                    // a kindCall of several items: kindDone is asked for
	flagError                    // a kindResult: the task returned an error, which is the payload
	flagFailed                   // a kindResult: something kept the task from returning; an error
	flagNotRun                   // a kindResult: the task was not run; an error
)

// A worker publishes what it is about to do as the mark of its data link: the call,
// the item, and the phase. Who finds a worker dead reads whose fault it was.

const (
	markItems  = 24 // bits for the item
	markPhases = 2  // bits for the phase
	maxBatch   = 1 << 12
)

var markedPhases = [...]engine.Phase{engine.PhaseIdle, engine.PhaseDecode, engine.PhaseRun, engine.PhaseEncode}

func phaseNumber(p engine.Phase) uint64 {
	switch p {
	case engine.PhaseDecode:
		return 1
	case engine.PhaseRun:
		return 2
	case engine.PhaseEncode:
		return 3
	}
	return 0
}

func makeMark(seq uint64, item int, phase engine.Phase) uint64 {
	return seq<<(markItems+markPhases) | uint64(item)<<markPhases | phaseNumber(phase)
}

func splitMark(m uint64) (seq uint64, item int, phase engine.Phase) {
	return m >> (markItems + markPhases), int(m >> markPhases & (1<<markItems - 1)), markedPhases[m&(1<<markPhases-1)]
}

// A hello tells a worker what it is to be.
type hello struct {
	Number  int
	Init    string // the task to run first; empty: none
	Arg     []byte // its argument
	OneShot bool   // end after the first call, with a code that tells its outcome
}

// append writes h. It is not written as other values are: a worker that is sent numbers
// only never needs what reads those.
func (h *hello) append(b []byte) []byte {
	oneShot := uint64(0)
	if h.OneShot {
		oneShot = 1
	}
	b = binary.AppendUvarint(b, uint64(h.Number))
	b = binary.AppendUvarint(b, oneShot)
	b = binary.AppendUvarint(b, uint64(len(h.Init)))
	b = append(b, h.Init...)
	return append(b, h.Arg...)
}

// parseHello reads what hello.append has written.
func parseHello(data []byte) (hello, error) {
	p := parser{rest: data}
	h := hello{Number: int(p.uvarint(1 << 30))}
	h.OneShot = p.uvarint(1) == 1
	h.Init = string(p.bytes(p.uvarint(1 << 10)))
	h.Arg = slices.Clone(p.rest)
	return h, p.err
}

// A callHeader is the beginning of a kindCall, in which the items follow.
type callHeader struct {
	task    string
	attempt int
	left    time.Duration // until the deadline; 0: there is none
	items   int
	first   int // the number of the first item
}

// append writes h.
func (h *callHeader) append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(h.task)))
	b = append(b, h.task...)
	b = binary.AppendUvarint(b, uint64(h.attempt))
	b = binary.AppendUvarint(b, uint64(h.left))
	b = binary.AppendUvarint(b, uint64(h.items))
	return binary.AppendUvarint(b, uint64(h.first))
}

var errMalformed = errors.New("malformed message")

// A parser reads numbers and byte strings off a payload. After the first mistake it
// yields zeros.
type parser struct {
	rest []byte
	err  error
}

func (p *parser) uvarint(limit uint64) uint64 {
	v, n := binary.Uvarint(p.rest)
	if n <= 0 || v > limit {
		p.err, p.rest = errMalformed, nil
		return 0
	}
	p.rest = p.rest[n:]
	return v
}

func (p *parser) bytes(n uint64) []byte {
	if n > uint64(len(p.rest)) {
		p.err, p.rest = errMalformed, nil
		return nil
	}
	b := p.rest[:n]
	p.rest = p.rest[n:]
	return b
}

// parseCall reads the header of a call; the items are left in p. The task is a view
// into the payload.
func parseCall(p *parser) (task []byte, h callHeader, err error) {
	task = p.bytes(p.uvarint(1 << 10))
	h.attempt = int(p.uvarint(1 << 30))
	h.left = time.Duration(p.uvarint(1<<63 - 1))
	h.items = int(p.uvarint(maxBatch))
	h.first = int(p.uvarint(1<<markItems - 1))
	if p.err == nil && h.items < 1 {
		p.err = errMalformed
	}
	return task, h, p.err
}

// marshal writes one of the structs of this file.
func marshal[T any](v T) []byte {
	var m engine.Message
	c, err := codec.For(reflect.TypeFor[T]())
	if err == nil {
		m.Small, m.Bulk, _, err = codec.Append(c, nil, &v)
	}
	if err != nil {
		panic(fmt.Sprintf("multiprocessing: a message of its own cannot be written: %v", err))
	}
	return append(m.Small, m.Bulk...)
}

// unmarshal reads what marshal has written.
func unmarshal[T any](data []byte) (v T, err error) {
	c, err := codec.For(reflect.TypeFor[T]())
	if err == nil {
		err = codec.Decode(c, data, false, nil, &v)
	}
	return v, err
}

// appendInt writes a number in 8 bytes.
func appendInt(b []byte, n int64) []byte { return binary.LittleEndian.AppendUint64(b, uint64(n)) }

// int reads what appendInt has written.
func (p *parser) int() int64 {
	b := p.bytes(8)
	if b == nil {
		return 0
	}
	return int64(binary.LittleEndian.Uint64(b))
}

// slack is what a message may have beside an argument or a result: headers, further
// items of a batch, errors.
const slack = 64 << 20

// checkSize reports whether a value is too large to travel.
func checkSize(m *engine.Message, start int, limit int64) error {
	if size := int64(len(m.Small)-start) + int64(len(m.Bulk)); size > limit {
		return fmt.Errorf("it has %d bytes, and Config.MaxMessage is %d", size, limit)
	}
	return nil
}

// A link is what frames travel on: a wire.Ring or a wire.Stream.
type link = wire.Link
