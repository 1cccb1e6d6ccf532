package cli

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/go-braid/braid/internal/input"
	"github.com/go-braid/braid/record"
)

// The inputs of a run that came from standard input are kept beside its record, so that
// the run can be taken up without them. While there may be more to come, the file has
// another name.
const (
	keptName     = "stdin"
	keptPartName = "stdin.part"

	// maxKept is how much standard input is kept. What is longer has to be given again.
	maxKept = 64 << 20
)

// A keptInput reads a standard input and keeps what it has read. It is used by one
// goroutine, but may be closed by another one.
type keptInput struct {
	from io.Reader
	dir  string

	mu   sync.Mutex
	file *os.File // nil when no more is kept
	size int64
}

// keep returns the standard input for cfg. If inputs come from there, what is read is kept
// beside the record. If that fails, nothing is kept, and whoever wants to have it later is
// told so.
func (r *recording) keep(cfg input.Config) io.Reader {
	in := cfg.Stdin
	if r == nil || in == nil || !slices.Contains(cfg.Files, input.Stdin) {
		return in
	}
	f, err := os.OpenFile(filepath.Join(r.dir, keptPartName), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return in
	}
	r.kept = &keptInput{from: in, dir: r.dir, file: f}
	return r.kept
}

func (k *keptInput) Read(p []byte) (int, error) {
	n, err := k.from.Read(p)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.file == nil {
		return n, err
	}
	k.size += int64(n)
	if _, bad := k.file.Write(p[:n]); bad != nil || k.size > maxKept {
		k.drop()
	} else if err == io.EOF {
		k.complete()
	}
	return n, err
}

// SetReadDeadline ends a read, where the standard input can.
func (k *keptInput) SetReadDeadline(t time.Time) error {
	if d, ok := k.from.(interface{ SetReadDeadline(time.Time) error }); ok {
		return d.SetReadDeadline(t)
	}
	return os.ErrNoDeadline
}

// drop keeps nothing after all. It needs k.mu.
func (k *keptInput) drop() {
	k.file.Close()
	k.file = nil
	_ = os.Remove(filepath.Join(k.dir, keptPartName))
}

// complete gives the file its name: it holds all that there was. It needs k.mu.
func (k *keptInput) complete() {
	err := k.file.Close()
	k.file = nil
	if err == nil {
		_ = os.Rename(filepath.Join(k.dir, keptPartName), filepath.Join(k.dir, keptName))
	}
}

// close ends the keeping. What was read so far stays.
func (k *keptInput) close() {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.file != nil {
		k.file.Close()
		k.file = nil
	}
}

// errKeptPart says that a run had not read all of its standard input.
var errKeptPart = errors.New("it was ended before it had read all of its standard input")

// openKept opens the standard input that a run has read. Part says that a part will do.
func openKept(dir string, part bool) (*os.File, error) {
	f, err := os.Open(filepath.Join(dir, keptName))
	if !errors.Is(err, os.ErrNotExist) {
		return f, err
	}
	f, err = os.Open(filepath.Join(dir, keptPartName))
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, errors.New("its standard input was longer than 64 MiB, and was not kept")
	case err == nil && !part:
		f.Close()
		return nil, errKeptPart
	}
	return f, err
}

// argsName is the file that holds the command line of a run, each argument with a NUL at its
// end, if the record does not hold it as it was: it keeps no more than 64 KB, in UTF-8.
const argsName = "args"

// keepArgs keeps a command line beside the record, if that has another one.
func keepArgs(dir string, args, recorded []string) error {
	whole := slices.Equal(args, recorded) && utf8.ValidString(strings.Join(args, ""))
	if whole {
		return nil
	}
	return os.WriteFile(filepath.Join(dir, argsName), []byte(strings.Join(args, "\x00")+"\x00"), 0o600)
}

// argsOf returns the command line of a run.
func argsOf(run record.Info) ([]string, error) {
	b, err := os.ReadFile(filepath.Join(filepath.Dir(run.Path), argsName))
	if errors.Is(err, os.ErrNotExist) {
		return run.Run.Args, nil
	}
	if err != nil {
		return nil, err
	}
	return strings.Split(strings.TrimSuffix(string(b), "\x00"), "\x00"), nil
}
