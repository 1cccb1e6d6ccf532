package export

import (
	"bufio"
	"cmp"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/go-braid/braid/record"
)

// A CSVConfig says how [CSV] writes. The zero CSVConfig writes what is there.
type CSVConfig struct {
	// Spreadsheet protects who opens the file in a spreadsheet program: there, a field
	// that begins with =, +, -, @, a tab or a line end can be taken for a formula,
	// and inputs and errors come from anywhere. With Spreadsheet such a text field gets an
	// apostrophe in front. So what reads the file must know, and the zero is not to.
	Spreadsheet bool
}

// columns are the names of the columns, in their order. Only the end is ever added to.
var columns = []string{
	"call", "attempt", "last", "input", "item", "task", "engine", "kind", "worker", "pid", "state",
	"started", "queued_us", "start_us", "end_us", "wall_us", "wait_us", "parked_us", "cpu_us", "rss_bytes",
	"exit", "signal", "stdout_bytes", "stderr_bytes", "error_kind", "fingerprint", "error",
}

// CSV writes a row for each attempt in the record that r reads to w, as RFC 4180 has it
// (UTF-8, fields in quotes where they must be, lines that end in CR LF), after a row with
// the names of the columns:
//
//	call, attempt   the number of the call, and which attempt at it, from 1
//	last            true if no attempt follows
//	input, item     the number of the input, from 0, and its text, if the record has it
//	task            the task's name
//	engine, kind    the engine's name, and of what kind it is
//	worker, pid     the worker, from 1, and the process, if it was not that of the run
//	state           ok, error, panic, crash, timeout, cancelled, refused, or unfinished:
//	                then the end is that of the record
//	started         when the attempt began, in RFC 3339 with microseconds, in UTC
//	queued_us       when it was submitted, in µs since the beginning of the run, as
//	start_us        when it began, and
//	end_us          when it ended
//	wall_us         from start_us to end_us
//	wait_us         from queued_us to start_us
//	parked_us       how long the body waited, of wall_us
//	cpu_us          processor time
//	rss_bytes       the largest memory
//	exit, signal    how a process ended
//	stdout_bytes, stderr_bytes   how much it wrote
//	error_kind, fingerprint, error   the failure: its kind, what equal failures have in
//	                common, and the first 1024 bytes of its text
//
// What is not known is empty. Rows are in the order of the record, which is about that of
// the ends; unfinished attempts come last. The memory that CSV needs does not grow with
// the record.
//
// Lines of the record that are broken are left out, and the error is the first of them, a
// *[record.SyntaxError], when all else is written. Other errors are of the reader or of w.
func CSV(w io.Writer, r *record.Reader, cfg CSVConfig) error {
	a := newAccount(r)
	t := &table{account: a, w: bufio.NewWriterSize(w, 1<<16), cfg: cfg}
	if err := t.write(columns); err != nil {
		return err
	}
	err := a.drain(func(line record.Line) error {
		if s, ok := line.(*record.Span); ok {
			return t.span(s)
		}
		return nil
	})
	if err == nil {
		err = a.unfinished(t.span)
	}
	return cmp.Or(err, t.w.Flush(), a.broken)
}

// A table writes rows.
type table struct {
	*account
	w   *bufio.Writer
	cfg CSVConfig
	row []string
	b   []byte
}

func (t *table) span(s *record.Span) error {
	var e record.Error
	if s.Err != 0 {
		e = t.errors[s.Err]
	}
	var engine record.Engine
	if e := t.engine(s.Engine); e != nil {
		engine = *e
	}
	started := ""
	if !t.run.Wall.IsZero() {
		started = t.run.Wall.Add(s.Start).UTC().Format("2006-01-02T15:04:05.000000Z07:00")
	}
	queued, wait := "", ""
	if s.Queued > 0 {
		queued, wait = micros(s.Queued), strconv.FormatInt(µs(s.Start)-µs(s.Queued), 10)
	}
	exit := ""
	if engine.Kind == "exec" && s.Signal == "" && s.State != record.StateRefused && s.State != unfinished {
		exit = strconv.Itoa(s.Exit)
	}
	t.row = append(t.row[:0],
		strconv.FormatUint(s.Call, 10), strconv.Itoa(s.Attempt), strconv.FormatBool(s.Last),
		strconv.Itoa(s.Input), t.text(t.inputs[s.Input].Text), t.text(s.Task), t.text(engine.Name), t.text(engine.Kind),
		known(int64(s.Worker)), known(int64(s.PID)), t.text(string(s.State)),
		started, queued, micros(s.Start), micros(s.End), strconv.FormatInt(µs(s.End)-µs(s.Start), 10), wait,
		known(µs(s.Parked)), known(µs(s.CPU)), known(s.RSS),
		exit, t.text(s.Signal), known(s.Out), known(s.ErrOut), t.text(string(e.Kind)), t.text(e.Print), t.text(e.Text),
	)
	return t.write(t.row)
}

// write writes a row. Package csv would change the line ends inside of fields.
func (t *table) write(row []string) error {
	b := t.b[:0]
	for i, field := range row {
		if i > 0 {
			b = append(b, ',')
		}
		if !strings.ContainsAny(field, "\",\r\n") {
			b = append(b, field...)
			continue
		}
		b = append(b, '"')
		for j := range len(field) {
			if field[j] == '"' {
				b = append(b, '"')
			}
			b = append(b, field[j])
		}
		b = append(b, '"')
	}
	t.b = append(b, '\r', '\n')
	_, err := t.w.Write(t.b)
	return err
}

// text returns a text as a field.
func (t *table) text(s string) string {
	if t.cfg.Spreadsheet && s != "" && strings.IndexByte("=+-@\t\r\n", s[0]) >= 0 {
		return "'" + s
	}
	return s
}

func micros(d time.Duration) string { return strconv.FormatInt(µs(d), 10) }

// known returns a number, or nothing for 0, which stands for one that is not known.
func known(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}
