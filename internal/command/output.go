package command

import (
	"io"
	"os"
	"strings"
	"sync"
)

// An Output is what a command wrote to its standard output or standard error
// until it ended. What a process that it left behind writes later is not part
// of it. An Output can be read often, by several goroutines at once, until its
// Result is closed; then its methods return os.ErrClosed.
type Output struct {
	size     int64
	reusable bool // whether another command may get the file, once nobody has it
	alone    bool // nobody else has it: the command has ended, so nobody ever will

	mu   sync.RWMutex // held while the file is read: it may soon be another's
	file *os.File     // nil when closed
}

// finish notes what has been written so far.
func (o *Output) finish() error {
	info, err := o.file.Stat()
	if err == nil {
		o.size = info.Size()
	}
	return err
}

// take closes the Output and returns its file; nil if it was closed before.
func (o *Output) take() *os.File {
	o.mu.Lock()
	defer o.mu.Unlock()
	f := o.file
	o.file = nil
	return f
}

// Size returns the number of bytes.
func (o *Output) Size() int64 { return o.size }

// ReadAt reads as io.ReaderAt says. With io.NewSectionReader it makes an
// io.ReadSeeker of an Output.
func (o *Output) ReadAt(p []byte, off int64) (int, error) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return o.readAt(p, off)
}

func (o *Output) readAt(p []byte, off int64) (int, error) {
	if o.file == nil {
		return 0, os.ErrClosed
	}
	if off >= o.size {
		return 0, io.EOF
	}
	// The file may have grown: a process left behind can still write to it.
	short := int64(len(p)) > o.size-off
	if short {
		p = p[:o.size-off]
	}
	n, err := o.file.ReadAt(p, off)
	if err == nil && short {
		err = io.EOF
	}
	return n, err
}

// WriteTo writes all of the output to w, from the start. Where the system can
// (Linux), the bytes go to an *os.File without passing through this process.
func (o *Output) WriteTo(w io.Writer) (int64, error) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	if o.file == nil {
		return 0, os.ErrClosed
	}
	return section{o.file, 0, o.size}.WriteTo(w)
}

// A section is what a file holds from one offset to another.
type section struct {
	file     *os.File
	from, to int64
}

// WriteTo writes the section to w. Where the system can, the bytes go to an
// *os.File without passing through this process.
func (s section) WriteTo(w io.Writer) (int64, error) {
	at := s.from
	if f, ok := w.(*os.File); ok && at < s.to {
		at = sendFile(f, s.file, at, s.to)
	}
	if at == s.to {
		return at - s.from, nil
	}

	// The rest, or all: an error of sendFile, if it persists, shows here.
	buf := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buf)
	for at < s.to {
		n, err := s.file.ReadAt(buf[:min(bufferSize, s.to-at)], at)
		if n == 0 {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF // somebody truncated the file
			}
			return at - s.from, err
		}
		m, err := w.Write(buf[:n])
		at += int64(m)
		if err != nil {
			return at - s.from, err
		}
	}
	return at - s.from, nil
}

const bufferSize = 64 << 10

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// tail returns the whole lines among the last n bytes, or the last n bytes if
// the last line is longer. What cannot be read is left out: it is an
// ornament of an error message.
func (o *Output) tail(n int64) string {
	buf := make([]byte, min(n, o.size))
	m, _ := o.ReadAt(buf, o.size-int64(len(buf)))
	s := string(buf[:m])
	if o.size > n {
		if i := strings.IndexByte(s, '\n'); i >= 0 && i+1 < len(s) {
			s = s[i+1:]
		}
	}
	return s
}
