package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"unicode/utf8"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/internal/command"
)

// A printer writes results, and what tasks print themselves: the product to out,
// failures to talk. Its methods may be called from any goroutine.
type printer struct {
	app  *app
	to   io.Writer // standard output
	talk talk
	json bool

	records bool    // results are wanted as JSON beside what is printed
	live    bool    // what commands write is printed while they run
	tagger  *tagger // nil without tags
	gone    func()  // told when the product cannot be written; may be nil

	mu    sync.Mutex
	out   *bufio.Writer // in front of to
	wrote bool          // something went through out since the last flush
	err   error         // the first failure to write, after which nothing is written
}

// newPrinter returns a printer that writes results to out, and talk to talk.
func newPrinter(a *app, out io.Writer, talk talk) *printer {
	p := &printer{app: a, to: out, talk: talk}
	p.out = bufio.NewWriterSize(noting{out, &p.wrote}, 64<<10)
	return p
}

// A noting is a writer that takes note of being used.
type noting struct {
	io.Writer
	used *bool
}

func (n noting) Write(b []byte) (int, error) {
	*n.used = true
	return n.Writer.Write(b)
}

// failed returns the first failure to write.
func (p *printer) failed() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// flush brings what was printed to the reader.
func (p *printer) flush() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.push()
	p.wrote = false
}

// overflows reports whether something that was printed since the last flush has reached
// the reader without it.
func (p *printer) overflows() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.wrote
}

// line prints a line that a task in another process has printed, at once, since
// nobody knows when the next one comes.
func (p *printer) line(s string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.out.WriteString(s)
		p.out.WriteByte('\n')
		p.push()
	}
}

func (p *printer) print(r *result) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil && !r.skipped {
		if p.json {
			p.err = p.printJSON(r)
		} else {
			p.err = p.printText(r)
		}
	}
	// What was cut short because nobody reads any more is no news.
	if r.err != nil && !r.skipped && !(r.stopped && p.err != nil) {
		p.push() // who sees both sees them in their order
		p.talk.line(p.app.failure(r))
	}
	r.close()
}

// push is flush for who has p.mu.
func (p *printer) push() {
	if err := p.out.Flush(); err != nil && p.err == nil {
		p.err = err
	}
}

// outputError ends the command because standard output could not be written. That
// its reader went away is nothing to talk about.
func outputError(err error) *exitError {
	e := &exitError{code: exitUsage, err: fmt.Errorf("cannot write the results: %w", err)}
	switch {
	case readerGone(err):
		return &exitError{code: exitSignal + int(syscall.Signal(0xd))} // SIGPIPE, which Windows does not name
	case errors.Is(err, syscall.ENOSPC):
		e.try = "make room, or send the output elsewhere"
	}
	return e
}

func readerGone(err error) bool {
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe)
}

func (p *printer) printText(r *result) error {
	if c, ok := r.value.(*commandResult); ok {
		if p.live {
			return nil // it is there already
		}
		return p.copyOutputs(c, p.tagger.tag(r.item, r.seq, c.slot))
	}
	if r.err != nil {
		return nil
	}
	if p.tagger != nil {
		_, err := tagged{p.tagger.tag(r.item, r.seq, r.slot), bytes.NewReader(r.text)}.WriteTo(p.out)
		return err
	}
	p.out.Write(r.text)
	return p.out.WriteByte('\n')
}

// follow returns what prints the lines of a command while it runs.
func (p *printer) follow(tag string) func(command.Stream, io.WriterTo) {
	return func(s command.Stream, lines io.WriterTo) {
		if s == command.Stderr {
			p.talk.block(tagged{tag, lines})
			return
		}
		p.mu.Lock()
		failed := p.err != nil
		if !failed {
			_, p.err = tagged{tag, lines}.WriteTo(p.out)
			p.push()
		}
		news := !failed && p.err != nil
		p.mu.Unlock()
		if news && p.gone != nil {
			p.gone()
		}
	}
}

// copyOutputs copies what a command wrote, its errors first, since they often
// explain the rest.
func (p *printer) copyOutputs(c *commandResult, tag string) error {
	if c.Stderr != nil && c.Stderr.Size() > 0 {
		p.push()
		if tag != "" {
			p.talk.block(tagged{tag, c.Stderr})
		} else {
			p.talk.block(c.Stderr)
		}
	}
	if c.Stdout == nil || c.Stdout.Size() == 0 {
		return nil
	}
	if tag != "" {
		_, err := tagged{tag, c.Stdout}.WriteTo(p.out)
		return err
	}
	p.push() // what follows goes past the buffer, straight from file to file
	if p.err != nil {
		return p.err
	}
	_, err := c.Stdout.WriteTo(p.to)
	return err
}

// render puts the result of a task into writing: that of a command is in files.
func (p *printer) render(r *result) error {
	if _, ok := r.value.(*commandResult); ok {
		return nil
	}
	var err error
	if !p.json || p.records {
		r.text, err = resultText(r.value)
	}
	if err == nil && (p.json || p.records) {
		r.json, err = marshal(r.value)
	}
	if err != nil {
		return fmt.Errorf("the result, a %T, cannot be written: %w", r.value, err)
	}
	return nil
}

// resultText writes a result as a line.
func resultText(v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case string:
		return []byte(v), nil
	case []byte:
		return v, nil
	case fmt.Stringer:
		return []byte(v.String()), nil
	}
	return marshal(v)
}

// marshal writes v as JSON on one line, and < as it is.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

func (p *printer) printJSON(r *result) error {
	rec, err := newRecord(r, true)
	if err != nil {
		return err
	}
	b, err := marshal(rec)
	if err != nil {
		return err
	}
	p.out.Write(b)
	return p.out.WriteByte('\n')
}

// failure writes a failure for people: which input, and what happened.
func (a *app) failure(r *result) string {
	text := reason(r.err)
	var b strings.Builder
	b.WriteString(a.style.red(a.name + ":"))
	b.WriteByte(' ')
	if it := r.item.Text; it != "" && !namesInput(r.err, text, it) {
		b.WriteString(shorten(it, 200) + ": ")
	}
	b.WriteString(text)
	if r.attempts > 1 {
		fmt.Fprintf(&b, " (attempt %d)", r.attempts)
	}
	return b.String()
}

// namesInput reports whether an error says which input it is about: by the command
// line, or because it begins with it, as most do. Mere containing would not do: a
// is in "failed".
func namesInput(err error, text, it string) bool {
	if e, ok := errors.AsType[*command.StartError](err); ok {
		return e.Name == it
	}
	if e, ok := errors.AsType[*fs.PathError](err); ok && e.Path == it && strings.Contains(text, it+":") {
		return true // as package os says it: "open FILE: what is wrong"
	}
	_, exit := errors.AsType[*command.ExitError](err)
	_, stopped := errors.AsType[*command.StoppedError](err)
	_, spool := errors.AsType[*command.SpoolError](err)
	return exit || stopped || spool || strings.HasPrefix(text, it+":") || strings.HasPrefix(text, strconv.Quote(it)+":")
}

// reason returns the text of an error without what the command line need not
// repeat: the engine and the worker.
func reason(err error) string {
	if e, ok := errors.AsType[*braid.TaskError](err); ok {
		err = e.Err
	}
	text := err.Error()
	if crash, ok := errors.AsType[*braid.CrashError](err); ok {
		// What the process has written was shown when it was written.
		text = strings.Replace(text, crash.Error(), death(crash), 1)
	}
	// A task that was stopped says so in the words of package context, and then why.
	for _, jargon := range []error{context.Canceled, context.DeadlineExceeded} {
		if why, ok := strings.CutPrefix(text, jargon.Error()+": "); ok && errors.Is(err, jargon) {
			return "stopped: " + why
		}
	}
	return text
}

// death says in a line how the process of a task ended.
func death(c *braid.CrashError) string {
	b := strings.Builder{}
	b.WriteString("its process ")
	switch {
	case c.OOM:
		b.WriteString("was killed for want of memory")
	case c.Signal != "":
		b.WriteString("was ended by " + c.Signal)
	default:
		fmt.Fprintf(&b, "exited with code %d", c.ExitCode)
	}
	why := c.Reason
	if why == "" && c.Signal != "SIGKILL" { // of which nobody can say anything before
		said := strings.TrimSpace(c.Stderr)
		why = said[strings.LastIndexByte(said, '\n')+1:]
	}
	if why != "" {
		b.WriteString(": " + shorten(why, 200))
	}
	return b.String()
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
