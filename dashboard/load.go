package dashboard

import (
	"errors"
	"fmt"
	"io"

	"github.com/go-braid/braid/record"
)

// Load reads the log at path, as far as it is written, and returns the model of its
// run. Lines that are broken are counted as lost and otherwise passed over. The error
// is that of opening or reading the file, or says that it is no log; it matches
// [record.ErrNoLog] then.
func Load(path string) (*Model, error) {
	f, err := openFollower(path)
	if err != nil {
		return nil, err
	}
	defer f.close()
	if _, err := f.read(0); err != nil {
		return nil, err
	}
	f.look()
	f.model.finish()
	return f.model, nil
}

// A follower keeps a model up with a log that grows.
type follower struct {
	path   string
	reader *record.Reader
	model  *Model
	stat   func(path string) (record.Info, error)
}

func openFollower(path string) (*follower, error) {
	r, err := record.Open(path)
	if err != nil {
		return nil, err
	}
	return &follower{path: path, reader: r, model: NewModel(), stat: record.Stat}, nil
}

func (f *follower) close() { f.reader.Close() }

// read folds in what there is, but not much more than most lines, if most is not 0. It
// reports how many lines there were.
func (f *follower) read(most int) (n int, err error) {
	for most == 0 || n < most {
		line, err := f.reader.Next()
		var broken *record.SyntaxError
		switch {
		case err == nil:
			f.model.Add(line)
		case errors.As(err, &broken):
			f.model.seq++
			f.model.broken++
		case errors.Is(err, io.EOF):
			return n, nil
		default:
			return n, fmt.Errorf("%s: %w", f.path, err)
		}
		n++
	}
	return n, nil
}

// look finds out whether a run whose log has no end still goes on.
func (f *follower) look() {
	info, err := f.stat(f.path)
	f.model.watched = true
	f.model.died = err == nil && info.State == record.Died
	f.model.over = err == nil && info.State != record.Running
}

// finish orders the rows of a run that will not go on.
func (m *Model) finish() {
	if m.over {
		m.sort()
	}
}
