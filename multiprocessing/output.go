package multiprocessing

import (
	"bytes"
	"errors"
	"io"
	"os"
	"sync"
	"time"
)

// An Output is a line that a worker has written to its standard output or error.
type Output struct {
	Worker  int    // the number of the worker
	PID     int    // its process
	Task    string // the task that ran when the line arrived, or else the last one before it
	Index   int    // which of several calls of the task
	Attempt int    // its attempt
	Stderr  bool   // standard error, not output
	Text    string // the line, without its end; a line longer than 64 KiB comes in pieces
}

// stdoutMu keeps lines of workers whole on this process's own output.
var stdoutMu sync.Mutex

// print is what is done with output if nobody asks for it.
func (o Output) print() {
	stdoutMu.Lock()
	defer stdoutMu.Unlock()
	to := os.Stdout
	if o.Stderr {
		to = os.Stderr
	}
	_, _ = io.WriteString(to, o.Text+"\n")
}

const (
	maxLine = 64 << 10
	maxTail = 64 << 10
)

// An outlet brings home one output stream of a worker.
type outlet struct {
	worker *worker
	stderr bool
	pipe   *os.File
	over   chan struct{} // closed at the end of the stream

	mu   sync.Mutex
	tail []byte // the last that was written
}

// maxRest is the most that is read after the death of the worker: more than a pipe
// holds, so that all that the worker wrote is among it, and an end to what others write
// who have inherited the pipe.
const maxRest = 1 << 20

// end says that the worker is dead: what is in the pipe is read, and then it is closed,
// even if a descendant of the worker has it still.
func (o *outlet) end() { _ = o.pipe.SetReadDeadline(time.Now()) }

// drain reads from the pipe until its end.
func (o *outlet) drain() {
	defer close(o.over)
	defer o.pipe.Close()
	buf := make([]byte, 32<<10)
	var line []byte
	read, rest := o.pipe.Read, 0
	for {
		n, err := read(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			read, err = func(b []byte) (int, error) { return readRest(o.pipe, b) }, nil
			rest = maxRest
		} else if rest > 0 {
			if rest -= n; rest <= 0 {
				err = io.EOF
			}
		}
		o.remember(buf[:n])
		lines := buf[:n]
		for {
			i := bytes.IndexByte(lines, '\n')
			if i < 0 {
				break
			}
			o.emit(append(line, lines[:i]...))
			line, lines = line[:0], lines[i+1:]
		}
		for line = append(line, lines...); len(line) >= maxLine; line = append(line[:0], line[maxLine:]...) {
			o.emit(line[:maxLine])
		}
		if err != nil {
			if len(line) > 0 {
				o.emit(line)
			}
			return
		}
	}
}

func (o *outlet) remember(b []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.tail = append(o.tail, b...)
	if len(o.tail) > 2*maxTail {
		o.tail = append(o.tail[:0], o.tail[len(o.tail)-maxTail:]...)
	}
}

// last returns the last that was written, at most maxTail bytes.
func (o *outlet) last() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.tail[max(0, len(o.tail)-maxTail):])
}

func (o *outlet) emit(line []byte) {
	w := o.worker
	out := Output{Worker: w.number, PID: w.pid, Stderr: o.stderr, Text: string(bytes.TrimSuffix(line, []byte("\r")))}
	w.mu.Lock()
	out.Task, out.Index, out.Attempt = w.label.task, w.label.index, w.label.attempt
	w.mu.Unlock()
	if f := w.pool.cfg.Output; f != nil {
		f(out)
	} else {
		out.print()
	}
}

// A label says what a worker runs or has run last.
type label struct {
	task    string
	index   int
	attempt int
}
