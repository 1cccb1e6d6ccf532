package engine

import (
	"context"
	"os"
	"sync/atomic"
	"time"
)

// A Message is a value on its way to another process, as bytes: Small and then
// Bulk, and the open files that go with them.
type Message struct {
	Small []byte     // the whole value, or its beginning
	Bulk  []byte     // the rest, which was not copied; it may be memory of the value itself
	Files []*os.File // of values that hold descriptors
	Owned bool       // received: the value may keep the memory of the bytes
}

// A Portable is a body that can run in another process of the same program, which
// knows its task by name: its arguments can be written as bytes, and its results
// read. It consists of one item or, if it is a batch, of several, each with an
// argument and an outcome of its own; an engine may run items in any number of
// pieces, but each in one.
type Portable interface {
	Body

	// Len returns the number of items, at least 1.
	Len() int

	// Append writes the argument of item i: it appends to m.Small and may set
	// m.Bulk and append to m.Files. The error says why the argument cannot
	// travel.
	Append(m *Message, i int) error

	// SetResult reads the result of item i, whose task returned no error. The
	// error says why it cannot be read, and is the item's outcome then.
	SetResult(i int, m Message) error

	// SetError gives item i, of several, its error. (That of a single one is
	// the error of the call.)
	SetError(i int, err error)

	// Took is told how long the items, or so many of them, kept their worker
	// busy. It may be called several times.
	Took(items int, d time.Duration)
}

// Portable returns the call's body if it can run in another process, and is of a
// task that has a name there.
func (c *Call) Portable() (Portable, bool) {
	p, ok := c.body.(Portable)
	return p, ok && c.kind.task != ""
}

// A Function is a defined task as the process that runs it sees it: bytes in, bytes
// out.
type Function interface {
	// Serve reads the argument, runs the task on the calling strand, and writes
	// its result as Portable.Append does, into res. The error is a *CodecError
	// if the argument could not be read or the result not be written, or else
	// the task's own. Enter is called when the argument has been read, with
	// PhaseRun, and when the task has returned without an error, with PhaseEncode.
	Serve(ctx context.Context, arg Message, res *Message, enter func(Phase)) error
}

// A Batcher is an executor that runs many small calls at less cost in one call of
// several items; see [Portable].
type Batcher interface {
	// MaxBatch returns how many items such a call may have; 1 means that it
	// takes none, for instance because a listener wants to hear of each.
	MaxBatch() int
}

// A Helper is an executor whose calls can be brought on by who waits for them.
type Helper interface {
	// Help spends a short time on bringing in outcomes of calls, so that the
	// caller need not park. It returns when done is true, or when parking is
	// better.
	Help(done *atomic.Bool)
}
