package record

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// MaxLine is the longest line that a log has, in bytes.
const MaxLine = 1 << 20

// A SyntaxError says that a line of a log is broken. The lines after it can be read.
type SyntaxError struct {
	Line   int   // its number, from 1
	Offset int64 // where it begins in the file, in bytes
	Err    error // what is wrong
}

// Error says which line is broken, and how.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("line %d of the log is broken: %v", e.Line, e.Err)
}

// Unwrap returns e.Err.
func (e *SyntaxError) Unwrap() error { return e.Err }

// ErrNoLog says that something is not the log of a run: it does not begin with a [Run].
var ErrNoLog = errors.New("this is not the record of a run")

// A VersionError says that a log has a schema that this version of braid does not know.
type VersionError struct {
	Schema string // of the log
}

// Error names both versions, and says what to do.
func (e *VersionError) Error() string {
	return fmt.Sprintf("the record has the schema %s, and this version of braid reads up to %s: read it with a newer one", clip(e.Schema), Schema)
}

// A Reader reads a log line by line, in the order in which they were written, and
// never holds more than one of them. Of a line that stands for many spans it makes as many. It is for one goroutine at a time.
type Reader struct {
	from    io.Reader
	file    *os.File // to be closed; nil if the Reader was not made by Open
	buf     []byte   // what was read
	used    int      // how much of buf is done with
	looked  int      // how much of buf has no newline after used
	line    int      // the number of the last line that was taken from buf
	offset  int64    // where buf[used] stands
	begun   bool     // the first line was read
	skip    bool     // the line goes on that was too long
	broken  error    // what all further calls of Next return
	spans   []Span   // of the last line, that Next has not returned yet
	scanner scanner
}

// NewReader returns a Reader of what from holds.
func NewReader(from io.Reader) *Reader { return &Reader{from: from} }

// Open returns a Reader of the file at path, which is to be closed. To find the log of
// a run by its ID, see [Store.Find].
func Open(path string) (*Reader, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	r := NewReader(f)
	r.file = f
	return r, nil
}

// Close closes the file of a Reader that [Open] made.
func (r *Reader) Close() error {
	if r.file == nil {
		return nil
	}
	return r.file.Close()
}

// Next returns the next line, which is the caller's.
//
// At the end it returns io.EOF, and nothing of a last line that is not whole: it may
// have been torn by a crash. If the log grows after that, Next returns what has come.
//
// The first line is a *[Run]: otherwise the error is [ErrNoLog], or a *[VersionError] for
// a log of a later schema, and stays. Later, a line that is no JSON, that has a value of
// a wrong kind, or that is longer than [MaxLine], is a *[SyntaxError], and Next goes on
// with the one after it. Types and keys that it does not know are skipped.
func (r *Reader) Next() (Line, error) {
	for r.broken == nil {
		if len(r.spans) > 0 {
			s := &r.spans[0]
			r.spans = r.spans[1:]
			return s, nil
		}
		text, at, err := r.next()
		if _, long := err.(*SyntaxError); (long || r.skip) && !r.begun {
			r.broken = ErrNoLog
			break
		}
		if err != nil {
			return nil, err
		}
		if len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		l, err := r.scanner.decode(text)
		if !r.begun {
			if run, ok := l.(*Run); ok && err == nil {
				r.begun = true
				if r.broken = readable(run.Schema); r.broken == nil {
					return run, nil
				}
			} else {
				r.broken = ErrNoLog
			}
			break
		}
		if many, ok := l.(*spans); ok {
			r.spans, err = many.expand()
		}
		if err != nil {
			return nil, &SyntaxError{Line: r.line, Offset: at, Err: err}
		}
		if one, ok := l.(Line); ok {
			return one, nil
		}
	}
	return nil, r.broken
}

// Line returns the number of the line that Next has returned last, from 1.
func (r *Reader) Line() int { return r.line }

// readable reports whether a schema is one of ours.
func readable(schema string) error {
	name, version, _ := strings.Cut(schema, "/")
	ours, newest, _ := strings.Cut(Schema, "/")
	if name != ours {
		return ErrNoLog
	}
	n, err := strconv.ParseUint(version, 10, 64)
	most, _ := strconv.ParseUint(newest, 10, 64)
	if err != nil || n < 1 || n > most {
		return &VersionError{Schema: schema}
	}
	return nil
}

// next returns the next whole line without its newline, and where it begins. It is
// valid until the next call.
func (r *Reader) next() (text []byte, at int64, err error) {
	for {
		if i := bytes.IndexByte(r.buf[r.used+r.looked:], '\n'); i >= 0 {
			n := r.looked + i
			text, at = r.buf[r.used:r.used+n], r.offset
			r.used += n + 1
			r.offset += int64(n + 1)
			r.looked = 0
			r.line++
			if r.skip || n > MaxLine {
				r.skip = false
				return nil, 0, &SyntaxError{Line: r.line, Offset: at, Err: fmt.Errorf("it is longer than %d bytes", MaxLine)}
			}
			return text, at, nil
		}
		r.looked = len(r.buf) - r.used
		if r.looked > MaxLine {
			r.skip = true
			r.offset += int64(r.looked)
			r.buf, r.used, r.looked = r.buf[:0], 0, 0
		}
		if err := r.fill(); err != nil {
			return nil, 0, err
		}
	}
}

// fill reads more into buf.
func (r *Reader) fill() error {
	const block = 64 << 10
	if r.used > 0 {
		r.buf = r.buf[:copy(r.buf, r.buf[r.used:])]
		r.used = 0
	}
	if cap(r.buf)-len(r.buf) < block {
		r.buf = append(make([]byte, 0, 2*cap(r.buf)+block), r.buf...)
	}
	const tries = 100 // as many empty reads are a mistake of the reader
	for range tries {
		n, err := r.from.Read(r.buf[len(r.buf):cap(r.buf)])
		r.buf = r.buf[:len(r.buf)+n]
		if n > 0 {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}
