package cli

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/internal/command"
	"github.com/go-braid/braid/internal/input"
)

// A printer writes results: the product to out, failures to talk.
type printer struct {
	app  *app
	out  *bufio.Writer
	talk talk
	json bool
	err  error // the first failure to write, after which nothing is written
}

func (p *printer) print(r *result) {
	if p.err == nil && !r.skipped {
		if p.json {
			p.err = p.printJSON(r)
		} else {
			p.err = p.printText(r)
		}
	}
	if r.err != nil && !r.skipped {
		p.talk.line(p.app.failure(r))
	}
	r.close()
}

// flush brings what was printed to the reader.
func (p *printer) flush() {
	if err := p.out.Flush(); err != nil && p.err == nil {
		p.err = err
	}
}

// stdoutError says what became of the output that could not be written, or nil
// if all of it was.
func (p *printer) stdoutError() *exitError {
	switch {
	case p.err == nil:
		return nil
	case errors.Is(p.err, syscall.EPIPE), errors.Is(p.err, io.ErrClosedPipe):
		return &exitError{code: exitSignal + int(syscall.Signal(0xd))} // SIGPIPE, which Windows does not name
	case errors.Is(p.err, syscall.ENOSPC):
		return &exitError{code: exitUsage, err: fmt.Errorf("cannot write the results: %w", p.err), try: "make room, or send the output elsewhere"}
	}
	return &exitError{code: exitUsage, err: fmt.Errorf("cannot write the results: %w", p.err)}
}

func (p *printer) printText(r *result) error {
	if c, ok := r.value.(*commandResult); ok {
		return p.copyOutputs(c)
	}
	if r.err != nil {
		return nil
	}
	line, err := resultText(r.value)
	if err != nil {
		return err
	}
	_, err = p.out.WriteString(line + "\n")
	return err
}

// copyOutputs copies what a command wrote, its errors first, since they often
// explain the rest.
func (p *printer) copyOutputs(c *commandResult) error {
	if c.Stderr != nil && c.Stderr.Size() > 0 {
		p.flush()
		p.talk.block(c.Stderr)
	}
	if c.Stdout == nil || c.Stdout.Size() == 0 {
		return nil
	}
	p.flush() // what follows goes past the buffer, straight from file to file
	if p.err != nil {
		return p.err
	}
	_, err := c.Stdout.WriteTo(p.app.Out)
	return err
}

// resultText writes a result as a line.
func resultText(v any) (string, error) {
	switch v := v.(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	case []byte:
		return string(v), nil
	case fmt.Stringer:
		return v.String(), nil
	}
	b, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("the result, a %T, cannot be written: %w", v, err)
	}
	return string(b), nil
}

// A record is a result as JSON. Fields may be added.
type record struct {
	Seq      int             `json:"seq"`
	Input    json.RawMessage `json:"input"`
	OK       bool            `json:"ok"`
	Result   any             `json:"result,omitempty"`
	Error    string          `json:"error,omitempty"`
	Attempts int             `json:"attempts"`
	WallS    float64         `json:"wall_s"`
	*commandRecord
}

// A commandRecord is what a command adds to a record. Exit is -1 if a signal
// ended it, or if it was not started.
type commandRecord struct {
	Command []string `json:"command"`
	Exit    int      `json:"exit"`
	Signal  string   `json:"signal,omitempty"`
	Stdout  string   `json:"stdout"`
	Stderr  string   `json:"stderr"`
	CPUS    float64  `json:"cpu_s"`
	MaxRSS  int64    `json:"max_rss_bytes"`
}

func (p *printer) printJSON(r *result) error {
	rec := record{
		Seq: r.seq, Input: inputJSON(r.item), OK: r.err == nil,
		Attempts: r.attempts, WallS: r.wall.Seconds(),
	}
	if r.err != nil {
		rec.Error = reason(r.err)
	}
	if c, ok := r.value.(*commandResult); ok {
		var err error
		if rec.commandRecord, err = c.record(); err != nil {
			return err
		}
		rec.WallS = c.Wall.Seconds()
	} else if r.err == nil {
		rec.Result = r.value
	}
	b, err := json.Marshal(rec)
	if err != nil {
		return fmt.Errorf("the result of %q cannot be written as JSON: %w", r.item.Text, err)
	}
	p.out.Write(b)
	return p.out.WriteByte('\n')
}

func (c *commandResult) record() (*commandRecord, error) {
	rec := &commandRecord{
		Command: c.args, Exit: c.Code, Signal: c.Signal,
		CPUS: (c.User + c.System).Seconds(), MaxRSS: c.MaxRSS,
	}
	if c.Stdout == nil {
		rec.Exit = -1
		return rec, nil
	}
	for _, o := range []struct {
		from *command.Output
		to   *string
	}{{c.Stdout, &rec.Stdout}, {c.Stderr, &rec.Stderr}} {
		var b strings.Builder
		if _, err := o.from.WriteTo(&b); err != nil {
			return nil, err
		}
		*o.to = strings.ToValidUTF8(b.String(), string(utf8.RuneError))
	}
	return rec, nil
}

// inputJSON writes an input as JSON, as faithfully as JSON can.
func inputJSON(it input.Item) json.RawMessage {
	if text, err := it.JSON(); err == nil && json.Valid(text) {
		return text
	}
	text, _ := json.Marshal(it.Text)
	return text
}

// failure writes a failure for people: which input, and what happened.
func (a *app) failure(r *result) string {
	text := reason(r.err)
	var b strings.Builder
	b.WriteString(a.style.red(a.name + ":"))
	b.WriteByte(' ')
	// Most errors name their input already.
	if it := r.item.Text; it != "" && !strings.Contains(text, it) {
		b.WriteString(shorten(it, 200) + ": ")
	}
	b.WriteString(text)
	if r.attempts > 1 {
		fmt.Fprintf(&b, " (attempt %d)", r.attempts)
	}
	return b.String()
}

// reason returns the text of an error without what the command line need not
// repeat: the engine and the worker.
func reason(err error) string {
	if e, ok := errors.AsType[*braid.TaskError](err); ok {
		err = e.Err
	}
	return err.Error()
}

// shorten cuts a text that is too long for a line of talk.
func shorten(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most] + "…"
}
