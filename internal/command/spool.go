package command

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
)

// A spool makes the files that commands write to, and watches that there is
// room for them.
//
// A write of a command that found no room is known to the command only. So the
// spool counts the moments at which it found no room itself; an output is
// suspect if the count rose between the command's start and its end. As room
// comes back when a file is closed, the spool looks before that, too.
type spool struct {
	dir  string
	full atomic.Int64 // how often there was found to be no room

	mu    sync.Mutex
	probe *os.File   // an empty file to try with
	free  []*os.File // empty files to be used again
}

// keep is how many empty files are kept.
const keep = 64

// probeSize is the room that has to be free. What is left when a write fails is
// less than a page on most file systems; some keep a few back.
const probeSize = 16 << 10

var zeros [probeSize]byte

func newSpool(dir string) (*spool, error) {
	if dir == "" {
		dir = os.TempDir()
	}
	// Commands may have other working directories, this process may change its own.
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	s := &spool{dir: dir}
	if s.probe, err = newSpoolFile(dir); err != nil {
		if isAny(err, errsNoSpace) {
			return nil, fmt.Errorf("no space left in %s, where outputs are kept: make room there, or set TMPDIR to a directory on another file system", dir)
		}
		return nil, fmt.Errorf("cannot keep outputs in %s: %w: set TMPDIR to a directory in which files can be made", dir, err)
	}
	return s, nil
}

// A stream is a spool file: one end for the command, one for this process. Both
// are the same where the platform cannot make them two.
type stream struct{ writer, file *os.File }

func (s *spool) open() (stream, error) {
	f, err := s.unused()
	if err != nil {
		return stream{}, err
	}
	w, err := openWriter(f)
	if err != nil {
		f.Close()
		return stream{}, err
	}
	return stream{w, f}, nil
}

// unused returns an empty file that nobody else has open.
func (s *spool) unused() (*os.File, error) {
	s.mu.Lock()
	if n := len(s.free); n > 0 {
		f := s.free[n-1]
		s.free = s.free[:n-1]
		s.mu.Unlock()
		return f, nil
	}
	s.mu.Unlock()
	return newSpoolFile(s.dir)
}

// started closes the writer when the command has it, and returns what is left
// for this process, with whether that can be used again.
func (st stream) started() *Output {
	two := st.writer != st.file
	if two {
		st.writer.Close()
	}
	return &Output{file: st.file, reusable: two}
}

func (st stream) close() {
	st.writer.Close()
	st.file.Close()
}

// recycle gives the room of an output back, and keeps its file for another
// command if no process can write to it any more: to make a file costs a good
// part of what it costs to start a process, and on ext4 ever more while many
// are made and removed.
func (s *spool) recycle(o *Output) {
	f := o.take()
	if f == nil {
		return
	}
	if o.size > 0 {
		s.check()
	}
	if o.reusable && (o.alone || exclusive(f)) && (o.size == 0 || f.Truncate(0) == nil) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.free) < keep {
			s.free = append(s.free, f)
			return
		}
	}
	f.Close()
}

// fill returns a file with all that r holds, to be read from its start.
func (s *spool) fill(r io.Reader) (*os.File, error) {
	f, err := newSpoolFile(s.dir)
	if err != nil {
		return nil, err
	}
	if _, err = io.Copy(f, r); err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		s.check()
		f.Close()
		return nil, err
	}
	return f, nil
}

// check tests whether there is room, and counts if there is none.
func (s *spool) check() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if isAny(reserve(s.probe), errsNoSpace) {
		s.full.Add(1)
	}
}

func (s *spool) close() {
	s.probe.Close()
	for _, f := range s.free {
		f.Close()
	}
}
