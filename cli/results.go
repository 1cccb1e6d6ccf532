package cli

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"

	"github.com/go-braid/braid/internal/atomicfile"
)

const resultsText = `
RESULTS
"run --results DIR" keeps what becomes of each input in a folder of its own, beside
what it prints:

  DIR/000001-src%2Fa.txt/stdout      what the command wrote to standard output, or
                                     the result of a task, as it is printed
  DIR/000001-src%2Fa.txt/stderr      and to standard error
  DIR/000001-src%2Fa.txt/meta.json   the rest: an object with the fields of
                                     "help json", but without stdout and stderr

The name of a folder is the number of the input, in six digits or more, and the
input itself. No two have the same number, so no two folders the same name. Of the
input, letters, digits and the characters . _ - + = , @ stand for themselves; every
other byte is % and two hexadecimal digits, as in a URL. A name that would be longer
than 120 bytes is cut, and ends in ~ and eight digits of the SHA-256 of the input,
which is in meta.json as a whole.

meta.json is written last, in one step: a folder that lacks it is not complete. When
an input is tried again, its folder holds the last try. Inputs that were not tried
have none.

"run --results FILE.ndjson" writes a line for each input, as --json prints them, and
"run --results FILE.csv" a record, the first one with the names of the columns.
There, an output is held in memory as a whole.

The directory must be empty, and the file must not exist yet. A run that takes up
another one, with --resume or --rerun-failed, adds to what is there.
`

// A results keeps results in files.
type results interface {
	// attempt is told of an attempt at a command that has ended, on any goroutine,
	// before anybody else knows what it came to.
	attempt(r *result) error
	// add is told of each result that is complete, by the loop of the run. It tells
	// whether r was kept by attempt.
	add(r *result) error
	// flush brings what was added to the reader.
	flush() error
	close() error
}

// openResults makes what --results asks for: a directory or a file. Again says that a
// run is taken up, and that what is there already may stay.
func openResults(path string, task, again bool) (results, error) {
	var r results
	var err error
	switch ext := strings.ToLower(filepath.Ext(path)); ext {
	case ".ndjson", ".jsonl", ".csv":
		r, err = newResultFile(path, ext == ".csv", task, again)
	case ".json", ".tsv", ".xml", ".parquet":
		return nil, usageError(fmt.Errorf("--results %s: a file is .ndjson or .csv, and a directory has no such ending", path),
			"--results "+strings.TrimSuffix(path, filepath.Ext(path))+".ndjson")
	default:
		r, err = newResultDir(path, again)
	}
	if err != nil {
		err = fmt.Errorf("--results %s: %w", path, unwrapPath(err))
		if errors.Is(err, errNotEmpty) || errors.Is(err, fs.ErrExist) {
			return nil, usageError(err, "another name, or remove it first")
		}
		return nil, usageError(err, "")
	}
	return r, nil
}

// A keeper keeps the results of a run, and the first error of that. The nil keeper
// keeps nothing. But for attempt, its methods are called by the loop of the run.
type keeper struct {
	results
	path string
	err  error
	gone func() // told of the error; may be nil
}

// keeper returns what keeps the results of a run of p; nil without --results. Again says
// that the run takes up another one.
func (f *outputFlags) keeper(p *plan, again bool) (*keeper, error) {
	if f.results == "" {
		return nil, nil
	}
	to, err := openResults(f.results, p.task != "", again)
	if err != nil {
		return nil, err
	}
	return &keeper{results: to, path: f.results}, nil
}

func (k *keeper) add(r *result) {
	if k != nil && k.err == nil {
		k.note(k.results.add(r))
	}
}

// failed returns the first error.
func (k *keeper) failed() error {
	if k == nil {
		return nil
	}
	return k.err
}

func (k *keeper) flush() {
	if k != nil && k.err == nil {
		k.note(k.results.flush())
	}
}

// close flushes, and returns the first error.
func (k *keeper) close() error {
	if k == nil {
		return nil
	}
	if err := k.results.close(); k.err == nil {
		k.note(err)
	}
	return k.err
}

func (k *keeper) note(err error) {
	if err == nil || k.err != nil {
		return
	}
	e := &exitError{code: exitUsage, err: fmt.Errorf("cannot keep the results in %s: %w", k.path, unwrapPath(err))}
	if errors.Is(err, syscall.ENOSPC) {
		e.try = "make room, or keep them elsewhere"
	}
	k.err = e
	if k.gone != nil {
		k.gone()
	}
}

var errNotEmpty = errors.New("there is something in it already")

// A resultDir keeps results in a tree of files.
type resultDir struct{ dir string }

func newResultDir(dir string, again bool) (*resultDir, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err == nil && len(entries) > 0 && !again {
		err = errNotEmpty
	}
	if err != nil {
		return nil, err
	}
	// Commands may have other working directories, but this process has one.
	dir, err = filepath.Abs(dir)
	return &resultDir{dir}, err
}

func (d *resultDir) attempt(r *result) error {
	if err := d.write(r); err != nil {
		return fmt.Errorf("its result cannot be kept: %w", err)
	}
	r.value.(*commandResult).kept = true
	return nil
}

func (d *resultDir) add(r *result) error {
	if c, ok := r.value.(*commandResult); r.skipped || ok && c.kept {
		return nil
	}
	return d.write(r)
}

// write makes the folder of a result.
func (d *resultDir) write(r *result) error {
	folder := filepath.Join(d.dir, folderName(r.seq, r.item.Text))
	meta := filepath.Join(folder, "meta.json")
	switch err := os.Mkdir(folder, 0o777); {
	case errors.Is(err, fs.ErrExist): // of an earlier attempt
		if err := os.Remove(meta); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	case err != nil:
		return err
	}
	if c, ok := r.value.(*commandResult); ok && c.Stdout != nil {
		if err := writeFile(filepath.Join(folder, "stdout"), c.Stdout); err != nil {
			return err
		}
		if err := writeFile(filepath.Join(folder, "stderr"), c.Stderr); err != nil {
			return err
		}
	} else if !ok && r.err == nil {
		if err := writeFile(filepath.Join(folder, "stdout"), bytes.NewReader(slices.Concat(r.text, []byte("\n")))); err != nil {
			return err
		}
	}
	rec, err := newRecord(r, false)
	if err != nil {
		return err
	}
	text, err := marshal(rec)
	if err != nil {
		return err
	}
	f, err := atomicfile.Create(meta, 0o666)
	if err != nil {
		return err
	}
	defer f.Abort()
	if _, err := f.Write(append(text, '\n')); err != nil {
		return err
	}
	return f.Commit()
}

func writeFile(path string, text io.WriterTo) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = text.WriteTo(f)
	return errors.Join(err, f.Close())
}

func (d *resultDir) flush() error { return nil }
func (d *resultDir) close() error { return nil }

// longestName is how long the name of a folder is at most, but for what marks the cut.
// File systems have names of 255 bytes, and archives some less.
const longestName = 120

// folderName returns the name of the folder for an input.
func folderName(seq int, text string) string {
	whole := text
	b := fmt.Appendf(make([]byte, 0, longestName+4), "%06d-", seq)
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		char := text[:size]
		text = text[size:]
		escaped := char
		if !plainInName(r) || r == '.' && text == "" { // Windows drops a dot at the end
			escaped = ""
			for i := range size {
				escaped += fmt.Sprintf("%%%02X", char[i])
			}
		}
		if len(b)+len(escaped) > longestName {
			sum := sha256.Sum256([]byte(whole))
			return fmt.Sprintf("%s~%x", b, sum[:4])
		}
		b = append(b, escaped...)
	}
	return string(b)
}

// plainInName reports whether a character stands for itself in names of folders.
func plainInName(r rune) bool {
	return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r)) || strings.ContainsRune("._-+=,@", r)
}

// A resultFile keeps results in one file, a record each.
type resultFile struct {
	file *os.File
	csv  *csv.Writer // nil for NDJSON
	task bool
	out  *bufio.Writer
}

var (
	taskColumns    = []string{"seq", "input", "ok", "attempts", "wall_s", "error", "result"}
	commandColumns = []string{"seq", "input", "ok", "attempts", "wall_s", "error", "exit", "signal", "started",
		"user_s", "system_s", "max_rss_bytes", "stdout_bytes", "stderr_bytes", "stdout", "stderr"}
)

func newResultFile(path string, asCSV, task, again bool) (*resultFile, error) {
	flags := os.O_WRONLY | os.O_CREATE | os.O_APPEND
	if !again {
		flags |= os.O_EXCL
	}
	file, err := os.OpenFile(path, flags, 0o666)
	if err != nil {
		return nil, err
	}
	f := &resultFile{file: file, task: task, out: bufio.NewWriterSize(file, 64<<10)}
	if !asCSV {
		return f, nil
	}
	f.csv = csv.NewWriter(f.out)
	if info, err := file.Stat(); err == nil && info.Size() > 0 {
		return f, nil // it has its header
	}
	columns := commandColumns
	if task {
		columns = taskColumns
	}
	return f, f.csv.Write(columns)
}

func (f *resultFile) attempt(*result) error { return nil }

func (f *resultFile) add(r *result) error {
	if r.skipped {
		return nil
	}
	rec, err := newRecord(r, true)
	if err != nil {
		return err
	}
	if f.csv != nil {
		return f.csv.Write(f.columns(r, rec))
	}
	text, err := marshal(rec)
	if err != nil {
		return err
	}
	f.out.Write(text)
	return f.out.WriteByte('\n')
}

// columns returns a result as a record of CSV.
func (f *resultFile) columns(r *result, rec *resultRecord) []string {
	seconds := func(s float64) string { return strconv.FormatFloat(s, 'f', -1, 64) }
	columns := []string{strconv.Itoa(rec.Seq), r.item.Text, strconv.FormatBool(rec.OK), strconv.Itoa(rec.Attempts), seconds(rec.WallS), rec.Error}
	if f.task {
		return append(columns, string(r.text))
	}
	c := rec.commandRecord
	if c == nil { // there was no command
		return append(columns, make([]string, len(commandColumns)-len(columns))...)
	}
	return append(columns, strconv.Itoa(c.Exit), c.Signal, c.Started, seconds(c.UserS), seconds(c.SystemS),
		strconv.FormatInt(c.MaxRSS, 10), strconv.FormatInt(c.StdoutBytes, 10), strconv.FormatInt(c.StderrBytes, 10), c.Stdout, c.Stderr)
}

func (f *resultFile) flush() error {
	if f.csv != nil {
		f.csv.Flush()
		if err := f.csv.Error(); err != nil {
			return err
		}
	}
	return f.out.Flush()
}

func (f *resultFile) close() error {
	return errors.Join(f.flush(), f.file.Close())
}
