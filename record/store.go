package record

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// LogName is the name of a log in the directory of its run.
const LogName = "events.ndjson"

// A Store is a directory of runs. Each has a directory of its own, whose name is the ID of
// the run, with the log in a file called [LogName] and whatever else belongs to it. Any
// number of processes may use a store at the same time.
type Store struct {
	Dir string // which New makes if it does not exist
}

// DefaultDir returns the directory in which a user's runs are kept: braid/runs in
// $XDG_STATE_HOME, or in ~/.local/state where that is not set; on Windows in
// %LocalAppData%. It need not exist.
func DefaultDir() (string, error) {
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "braid", "runs"), nil
	}
	if dir := os.Getenv("LocalAppData"); runtime.GOOS == "windows" && filepath.IsAbs(dir) {
		return filepath.Join(dir, "braid", "runs"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("there is no directory for the records of runs: %w: set XDG_STATE_HOME", err)
	}
	return filepath.Join(home, ".local", "state", "braid", "runs"), nil
}

// New makes the directory of a new run, and that of the store if need be, for nobody but
// the user to read. Path is where its log is to be created, with the ID in [Run.ID].
func (s Store) New() (id, path string, err error) {
	id = NewID()
	dir := filepath.Join(s.Dir, id)
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return "", "", err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", "", err
	}
	return id, filepath.Join(dir, LogName), nil
}

// An Info is what a run is at a glance.
type Info struct {
	ID       string    // of the run
	Path     string    // of the log
	Run      Run       // the first line
	State    RunState  // whether it runs
	End      *End      // the last line; nil if there is none, or something follows
	Sample   *Sample   // the last one, if it is near the end; nil if there is none
	Size     int64     // of the log, in bytes
	Modified time.Time // when the log was last written
	Err      error     // why nothing more is known, if the log cannot be read
}

// A RunState says whether a run goes on.
type RunState string

// The states of a run.
const (
	Running RunState = "running"
	Ended   RunState = "ended"
	Died    RunState = "died" // its process is gone, and has not ended the log
)

// Errors of a store, to be found with errors.Is.
var (
	ErrNoRun   = errors.New("there is no such run")
	ErrRunning = errors.New("the run goes on")
)

// Stat returns what the log at path tells at a glance: it reads the first line and the end
// of the file, however large that is.
func Stat(path string) (Info, error) {
	info := Info{Path: path}
	f, err := os.Open(path)
	if err != nil {
		return info, err
	}
	defer f.Close()
	// First of all: what ends meanwhile shall not have died.
	busy, known := locked(path)
	r := NewReader(f)
	l, err := r.Next()
	if err == io.EOF {
		err = ErrNoLog
	}
	if err != nil {
		return info, fmt.Errorf("%s: %w", path, err)
	}
	info.Run = *l.(*Run)
	info.ID = info.Run.ID
	st, err := f.Stat()
	if err != nil {
		return info, err
	}
	info.Size, info.Modified = st.Size(), st.ModTime()
	if err := info.readTail(f); err != nil {
		return info, err
	}
	switch {
	case busy:
		info.State = Running
	case info.End != nil:
		info.State = Ended
	case !known && info.Run.isHere() && lives(info.Run.PID):
		info.State = Running
	default:
		info.State = Died
	}
	return info, nil
}

// isHere reports whether the run is one of this machine.
func (r *Run) isHere() bool {
	host, err := os.Hostname()
	return err == nil && host == r.Host
}

// tailSize is how much of the end of a log Stat reads.
const tailSize = 64 << 10

func (i *Info) readTail(f *os.File) error {
	from := max(i.Size-tailSize, 0)
	tail := make([]byte, i.Size-from)
	n, err := f.ReadAt(tail, from)
	if n < len(tail) {
		return fmt.Errorf("%s: %w", i.Path, err)
	}
	lines := strings.Split(string(tail), "\n")
	lines = lines[:len(lines)-1] // the one after the last newline is empty, or torn
	if from > 0 && len(lines) > 0 {
		lines = lines[1:]
	}
	var s scanner
	for n := len(lines) - 1; n >= 0; n-- {
		l, err := s.decode([]byte(lines[n]))
		if err != nil {
			continue
		}
		switch l := l.(type) {
		case *End:
			if n == len(lines)-1 {
				i.End = l
			}
		case *Sample:
			i.Sample = l
			return nil
		}
	}
	return nil
}

// List returns the runs of the store, the oldest first. A run whose log cannot be read is
// among them, with its Err. A store that does not exist is empty.
func (s Store) List() ([]Info, error) {
	entries, err := os.ReadDir(s.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var infos []Info
	for _, e := range entries { // in the order of their names, which is that of time
		if isID(e.Name()) && e.IsDir() {
			infos = append(infos, s.stat(e.Name()))
		}
	}
	return infos, nil
}

func (s Store) stat(id string) Info {
	info, err := Stat(filepath.Join(s.Dir, id, LogName))
	info.ID = id
	info.Err = err
	return info
}

// Find returns the run that is meant by what: "last", an ID or the beginning of one that no
// other run has, the path of a log, or the directory of a run. If there is none the error
// matches [ErrNoRun].
func (s Store) Find(what string) (Info, error) {
	if what == "" {
		return Info{}, fmt.Errorf("%w: an empty name", ErrNoRun)
	}
	ids, err := s.ids()
	if err != nil {
		return Info{}, err
	}
	if what == "last" {
		for _, id := range slices.Backward(ids) {
			if info := s.stat(id); info.Err == nil {
				return info, nil
			}
		}
		return Info{}, fmt.Errorf("%w: none is recorded in %s", ErrNoRun, s.Dir)
	}
	prefix := strings.ToUpper(what)
	var found []string
	for _, id := range ids {
		if strings.HasPrefix(id, prefix) {
			found = append(found, id)
		}
	}
	switch len(found) {
	case 0:
	case 1:
		info := s.stat(found[0])
		return info, info.Err
	default:
		return Info{}, fmt.Errorf("%w: %q is the beginning of %d runs, such as %s and %s: give more of it",
			ErrNoRun, what, len(found), found[0], found[len(found)-1])
	}
	st, err := os.Stat(what)
	switch {
	case err == nil && st.IsDir():
		return Stat(filepath.Join(what, LogName))
	case err == nil:
		return Stat(what)
	case errors.Is(err, fs.ErrNotExist) && !strings.ContainsAny(what, `/\.`):
		return Info{}, fmt.Errorf("%w: no run in %s has an ID that begins with %q", ErrNoRun, s.Dir, what)
	}
	return Info{}, fmt.Errorf("%w: %w", ErrNoRun, err)
}

// ids returns the IDs of the runs, the oldest first.
func (s Store) ids() ([]string, error) {
	entries, err := os.ReadDir(s.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var ids []string
	for _, e := range entries {
		if isID(e.Name()) {
			ids = append(ids, e.Name())
		}
	}
	return ids, nil
}

// Remove removes runs with all that belongs to them. One that goes on is left, and the
// error matches [ErrRunning]; for one that is not there it matches [ErrNoRun]. The others
// are removed all the same.
func (s Store) Remove(ids ...string) error {
	var errs []error
	for _, id := range ids {
		if !isID(id) {
			errs = append(errs, fmt.Errorf("%w: %q is not the ID of a run", ErrNoRun, id))
			continue
		}
		dir := filepath.Join(s.Dir, id)
		if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("%w: %s", ErrNoRun, id))
			continue
		}
		if s.stat(id).State == Running {
			errs = append(errs, fmt.Errorf("%w: %s", ErrRunning, id))
			continue
		}
		// Under another name first: what is left of it if that fails is no run any more.
		gone := filepath.Join(s.Dir, ".removed-"+id)
		if err := os.Rename(dir, gone); err != nil {
			errs = append(errs, err)
			continue
		}
		errs = append(errs, os.RemoveAll(gone))
	}
	return errors.Join(errs...)
}

// young is the age up to which a run without a log is one that is just beginning.
const young = time.Hour

// Prune removes the runs that began longer than older ago, but keeps the newest ones, as
// many as keep says; those that go on; and those that one of the kept takes up again. It
// returns the IDs of those that it has removed.
func (s Store) Prune(keep int, older time.Duration) (removed []string, err error) {
	infos, err := s.List()
	if err != nil {
		return nil, err
	}
	limit := time.Now().Add(-older)
	kept := make(map[string]bool) // parents of runs that are kept
	for n, i := range slices.Backward(infos) {
		began := i.Run.Wall
		if i.Err != nil {
			began = idTime(i.ID)
		}
		switch {
		case len(infos)-n <= keep, i.State == Running, kept[i.ID], began.After(limit),
			i.Err != nil && time.Since(began) < young:
			kept[i.Run.Parent] = true
			continue
		}
		e := s.Remove(i.ID)
		if e == nil {
			removed = append(removed, i.ID)
		}
		err = errors.Join(err, e)
	}
	slices.Reverse(removed)
	return removed, err
}
