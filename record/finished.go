package record

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"
)

// Finished returns the keys of the inputs that need not be run again: the last attempt at
// them succeeded, in the run whose log is at path or in one that it takes up again, as far
// back as that goes. Runs before it are looked for in the same [Store]. If one of them
// is gone the error matches [ErrNoRun], and the map holds what the others tell.
//
// It reads each log once, line by line, and holds no more than the keys. A log of a run
// that has died is as good as any; lines that are broken are passed over.
func Finished(path string) (map[string]bool, error) {
	done := make(map[string]bool)
	seen := make(map[string]bool)
	var chain []string
	var missing error
	for path != "" && !seen[path] {
		seen[path] = true
		run, err := firstLine(path)
		if err != nil {
			if len(chain) == 0 {
				return nil, err
			}
			missing = fmt.Errorf("%w: what it had finished is not known: %w", ErrNoRun, err)
			break
		}
		chain = append(chain, path)
		path = ""
		switch {
		case run.Parent == "":
		case isID(run.Parent):
			path = filepath.Join(filepath.Dir(filepath.Dir(chain[len(chain)-1])), run.Parent, LogName)
		default:
			missing = fmt.Errorf("%w: it takes up %q, which is not the ID of a run", ErrNoRun, clip(run.Parent))
		}
	}
	// The oldest first: what a later run did decides.
	for i := len(chain) - 1; i >= 0; i-- {
		if err := finishedIn(chain[i], done); err != nil {
			return nil, err
		}
	}
	return done, missing
}

func firstLine(path string) (*Run, error) {
	r, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	l, err := r.Next()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, orNoLog(err))
	}
	return l.(*Run), nil
}

// orNoLog returns what the end of a file means where the first line should be.
func orNoLog(err error) error {
	if err == io.EOF {
		return ErrNoLog
	}
	return err
}

// finishedIn adds the keys of the inputs that a run has finished to done, and removes those
// that failed in it.
func finishedIn(path string, done map[string]bool) error {
	r, err := Open(path)
	if err != nil {
		return err
	}
	defer r.Close()
	type outcome struct {
		at time.Duration
		ok bool
	}
	// An input may be told of before or after its attempts.
	keys := make(map[int]string)
	early := make(map[int]outcome)
	last := make(map[string]outcome)
	settle := func(key string, o outcome) {
		if before, ok := last[key]; !ok || o.at >= before.at {
			last[key] = o
		}
	}
	for {
		l, err := r.Next()
		if _, broken := errors.AsType[*SyntaxError](err); broken {
			continue
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		switch l := l.(type) {
		case *Input:
			if l.Key == "" {
				continue
			}
			keys[l.Number] = l.Key
			if o, ok := early[l.Number]; ok {
				delete(early, l.Number)
				settle(l.Key, o)
			}
		case *Span:
			if !l.Last {
				continue
			}
			o := outcome{l.End, l.OK()}
			if key, ok := keys[l.Input]; ok {
				settle(key, o)
			} else if before, ok := early[l.Input]; !ok || o.at >= before.at {
				early[l.Input] = o
			}
		}
	}
	for key, o := range last {
		if o.ok {
			done[key] = true
		} else {
			delete(done, key)
		}
	}
	return nil
}
