package asyncio

import (
	"errors"
	"os"
)

// A Stdio says what one of the standard streams of a process is connected to. The
// zero Stdio is [Pipe].
type Stdio struct {
	kind stdioKind
	file *os.File
}

type stdioKind uint8

const (
	stdioPipe stdioKind = iota
	stdioNull
	stdioInherit
	stdioMerge
	stdioFile
)

// The usual connections; [Redirect] makes others.
var (
	// Pipe connects the stream to the Stdin, Stdout or Stderr of its [Process].
	Pipe = Stdio{}

	// Null is an empty input, or an output that is thrown away.
	Null = Stdio{kind: stdioNull}

	// Inherit gives the process the stream of this process.
	Inherit = Stdio{kind: stdioInherit}

	// Merge, for the standard error only, sends it where the standard output
	// goes, so that the two come in the order in which they were written.
	Merge = Stdio{kind: stdioMerge}
)

// Redirect connects a stream to f, which the process gets itself: this process may
// close f when the process has been started.
func Redirect(f *os.File) Stdio { return Stdio{stdioFile, f} }

// plumbing is what the streams of a process that is to be started consist of.
type plumbing struct {
	child []*os.File // to be closed when the process has been started, or not
	ours  []*os.File // to be closed if it has not
}

// input returns what the process gets as its standard input, nil for none, and our
// end of the pipe if it is one.
func (p *plumbing) input(s Stdio) (theirs, ours *os.File, err error) {
	switch s.kind {
	case stdioPipe:
		theirs, ours, err = os.Pipe()
		return theirs, ours, p.keep(theirs, ours, err)
	case stdioMerge:
		return nil, nil, errors.New("only the standard error can be merged with another output")
	}
	theirs, err = s.given(os.Stdin)
	return theirs, nil, err
}

// output is input for a standard output; merged is where Merge goes, nil if it
// cannot go anywhere.
func (p *plumbing) output(s Stdio, standard, merged *os.File) (theirs, ours *os.File, err error) {
	switch s.kind {
	case stdioPipe:
		ours, theirs, err = os.Pipe()
		return theirs, ours, p.keep(theirs, ours, err)
	case stdioMerge:
		return merged, nil, nil
	}
	theirs, err = s.given(standard)
	return theirs, nil, err
}

func (p *plumbing) keep(theirs, ours *os.File, err error) error {
	if err == nil {
		p.child = append(p.child, theirs)
		p.ours = append(p.ours, ours)
	}
	return err
}

// given returns a file that is there already, or nil for none.
func (s Stdio) given(standard *os.File) (*os.File, error) {
	switch {
	case s.kind == stdioInherit:
		return standard, nil
	case s.kind == stdioFile && s.file == nil:
		return nil, errors.New("Redirect was given a nil file; for none, use Null")
	}
	return s.file, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}
