package asyncio

import (
	"errors"
	"os"
	"time"

	"github.com/go-braid/braid/strand"
)

// A pipeFile is this process's end of a pipe: something that blocks its goroutine,
// and can be told to stop doing so. It is an [os.File], whose goroutine waits in the
// runtime's poller.
type pipeFile interface {
	Read(b []byte) (int, error)
	Write(b []byte) (int, error)
	SetDeadline(t time.Time) error
	Close() error
}

// A pipeEnd is a pipe on a loop. There is a goroutine for it only while a coroutine
// waits for it, and no buffer but that of the system, so that who writes more than
// is read has to wait.
type pipeEnd struct {
	loop   *Loop
	file   pipeFile
	busy   bool   // a coroutine waits
	err    error  // sticks, and says that the pipe is closed
	closed func() // called then; may be nil
}

// errPipeBusy is the error of the second one of two coroutines that read from one
// pipe, or write to it, at the same time. Neither could know what it gets.
var errPipeBusy = errors.New("asyncio: another coroutine is using this end of the pipe")

// past is a deadline that is over.
var past = time.Unix(1, 0)

// transfer has do called, and the coroutine wait until it returns. When the
// coroutine is cancelled do is cut short by a deadline, so that it is known how far
// it has come.
func (p *pipeEnd) transfer(kind strand.Kind, do func() (int, error)) (n int, err error) {
	ctx := &p.loop.current().co.ctx
	switch {
	case p.err != nil:
		return 0, p.err
	case p.busy:
		return 0, errPipeBusy
	}
	p.busy = true
	cut := false
	defer func() {
		p.busy = false
		if cut {
			_ = p.file.SetDeadline(time.Time{})
		}
	}()
	op := strand.Op{Object: p, Kind: kind, Access: strand.Write}
	if err := parkOutside(ctx, op, &duty{
		do: func() { n, err = do() },
		hurry: func() {
			cut = true
			// Where pipes have no deadlines, do goes on until the other side of the
			// pipe has done something.
			_ = p.file.SetDeadline(past)
		},
	}); err != nil {
		return 0, err
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return n, strand.Err(ctx)
	}
	if err != nil {
		p.fail(err)
		err = p.err // of who has closed the pipe, if somebody has
	}
	return n, err
}

// fail closes the pipe. Operations after it, and perhaps one that goes on, fail
// with err.
func (p *pipeEnd) fail(err error) {
	if p.err != nil {
		return
	}
	p.err = err
	_ = p.file.Close()
	if p.closed != nil {
		p.closed()
	}
}

// A PipeReader is where a coroutine reads what a process writes. It is for the
// coroutines of one loop, one at a time: another that reads at the same time gets
// an error.
type PipeReader struct{ end pipeEnd }

// Read reads up to len(b) bytes, and parks the coroutine until there is at least
// one. At the end it returns io.EOF: that is when nobody has the other side of the
// pipe open any more, neither the process nor those to whom it has passed it on.
// The pipe closes by itself then.
//
// When the coroutine is cancelled Read returns strand.Err of its context, with what
// it has read in b if there is something, and nothing is lost: a later Read goes on
// from there. Where the system cannot cut a read short, which is so on Windows, it
// returns when the process has written something, or has ended.
func (r *PipeReader) Read(b []byte) (int, error) {
	return r.end.transfer(strand.OpRead, func() (int, error) { return r.end.file.Read(b) })
}

// Close closes the pipe, and ends a Read that another coroutine waits in. A process
// that goes on writing gets a signal for a broken pipe, or an error. Closing again
// does nothing.
func (r *PipeReader) Close() error {
	r.end.fail(os.ErrClosed)
	return nil
}

// A PipeWriter is where a coroutine writes what a process reads. It is for the
// coroutines of one loop, one at a time: another that writes at the same time gets
// an error.
type PipeWriter struct{ end pipeEnd }

// Write writes b, and parks the coroutine until all of it is in the pipe, which
// holds little (64 KiB on Linux): a process that does not read what it is given
// holds up who writes. If nobody has the other side open any more, the error is
// syscall.EPIPE, and the pipe closes by itself.
//
// When the coroutine is cancelled Write returns the number of bytes written and
// strand.Err of its context.
func (w *PipeWriter) Write(b []byte) (int, error) {
	return w.end.transfer(strand.OpWrite, func() (int, error) { return w.end.file.Write(b) })
}

// Close closes the pipe, from which the process learns that no more will come, and
// ends a Write that another coroutine waits in. Closing again does nothing.
func (w *PipeWriter) Close() error {
	w.end.fail(os.ErrClosed)
	return nil
}
