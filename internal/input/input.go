// Package input reads the inputs of a run: from the command line, from the
// files that a pattern matches, and from files and standard input as lines,
// NUL-terminated records, CSV or NDJSON.
//
// Everything is streamed: an [Item] is yielded as soon as its record has been
// read, and memory holds one record (and, for patterns, the names of the
// directories on the way to the current one), however long the input is. A
// record may be as long as memory allows.
//
// A source or record that cannot be read does not end the run. It is yielded as
// an [Error] that says where it is and what to do, and the others go on.
package input

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"strings"
	"time"
	"unicode/utf8"
)

// A Format says how a file, or standard input, is cut into records.
type Format int

const (
	// Lines takes each line as a record, without its "\n" or "\r\n". A last
	// line needs no end. An empty line is a record too, as for GNU parallel and
	// xargs -d '\n': the n-th line stays the n-th input, and nothing is dropped
	// unasked. See [Config.SkipEmpty].
	Lines Format = iota

	// NUL takes each run of bytes up to a NUL as a record, as find -print0
	// writes them. A last record needs no NUL. The bytes are kept as they are,
	// line ends and byte order marks included.
	NUL

	// CSV takes records as RFC 4180 and [encoding/csv] define them: a quoted
	// column may hold commas, doubled quotes and line ends. Empty lines are no
	// records. The first record names the columns; see [Config.NoHeader].
	CSV

	// NDJSON takes each line as one JSON value in UTF-8. Blank lines are no
	// records.
	NDJSON
)

// String returns the name of the format for messages.
func (f Format) String() string {
	switch f {
	case Lines:
		return "lines"
	case NUL:
		return "NUL-terminated records"
	case CSV:
		return "CSV"
	case NDJSON:
		return "NDJSON"
	}
	return fmt.Sprintf("Format(%d)", int(f))
}

// Stdin is the name in [Config.Files] that stands for standard input. A file of
// that name is reached as "./-".
const Stdin = "-"

// A Config says where the inputs of a run come from. The zero Config has none.
type Config struct {
	// Args are records given on the command line. In the formats CSV and
	// NDJSON each is one record of that format, a CSV record without a header.
	Args []string

	// Globs are patterns of file names; see [Items] for what they match.
	Globs []string

	// Files are names of files to read, at most one of them [Stdin].
	Files []string

	// Stdin is read where Files says so. Nil means there is none.
	Stdin io.Reader

	// Format applies to Args and Files. The names that Globs match are always
	// plain records.
	Format Format

	// NoHeader says that the first record of a CSV file is data. Columns then
	// have numbers only, and records may differ in length.
	NoHeader bool

	// Comma separates the columns of CSV. Zero means ','.
	Comma rune

	// Group, if it is more than 1, makes one item of so many inputs, or of those that are
	// left at the end. It is for plain records: the formats Lines and NUL.
	Group int

	// SkipEmpty drops empty records in the formats Lines and NUL.
	SkipEmpty bool
}

// Named reports whether the items of files have names for their columns, so
// that [Item.Key] can find something.
func (c Config) Named() bool {
	return c.Format == NDJSON || c.Format == CSV && !c.NoHeader
}

// Validate reports what makes the configuration unusable whatever the files
// hold: a malformed pattern, an unknown format, an impossible separator,
// standard input named twice. It opens no file.
func (c Config) Validate() error {
	_, err := c.compile()
	return err
}

// compile does what Validate says and returns the patterns ready for use.
func (c Config) compile() (globs []*glob, err error) {
	if c.Group > 1 && (c.Format == CSV || c.Format == NDJSON) {
		return nil, fmt.Errorf("records of %v have columns of their own: several make no input", c.Format)
	}
	if c.Format < Lines || c.Format > NDJSON {
		return nil, fmt.Errorf("unknown input format %v", c.Format)
	}
	if comma := c.comma(); strings.ContainsRune("\"\r\n", comma) || comma == utf8.RuneError || !utf8.ValidRune(comma) {
		return nil, fmt.Errorf("%q cannot separate the columns of CSV: use a character such as ',', ';' or a tab", comma)
	}
	for _, pattern := range c.Globs {
		g, err := compileGlob(pattern)
		if err != nil {
			return nil, err
		}
		globs = append(globs, g)
	}
	stdin := 0
	for _, name := range c.Files {
		switch name {
		case "":
			return nil, errors.New(`the name of an input file is empty: give a file, or "-" for standard input`)
		case Stdin:
			stdin++
		}
	}
	if stdin > 1 {
		return nil, fmt.Errorf(`standard input ("-") is named %d times as an input, but can be read only once`, stdin)
	}
	return globs, nil
}

func (c Config) comma() rune {
	if c.Comma == 0 {
		return ','
	}
	return c.Comma
}

// An Error says that a source or one of its records cannot be used.
type Error struct {
	Source string // as in Item
	Line   int    // as in Item; 0 for the source as a whole
	Err    error  // what is wrong
	Hint   string // what to do about it; may be empty
}

// Error returns "source:line: what is wrong; what to do".
func (e *Error) Error() string {
	s := e.Source
	if e.Line > 0 {
		s = fmt.Sprintf("%s:%d", s, e.Line)
	}
	s += ": " + e.Err.Error()
	if e.Hint != "" {
		s += "; " + e.Hint
	}
	return s
}

// Unwrap returns what is wrong, for [errors.Is].
func (e *Error) Unwrap() error { return e.Err }

// Items returns the inputs: first Args, then the matches of Globs, then the
// records of Files, each in the order given. Each step of the iteration yields
// either an item or an error; the errors are of type [*Error], except that an
// invalid configuration yields what [Config.Validate] says and nothing else.
//
// A pattern is a path whose segments may hold '*', '?', classes like [a-z] and
// [!a-z], and alternatives like {go,mod}; a segment ** stands for any number of
// directories, and at the end for everything below. A backslash takes the meaning
// from the next character (on Windows it separates segments). As in a shell, a
// name that starts with a dot is matched only by a segment that does, and ** does
// not enter symbolic links, so that loops of them end; other segments follow
// them. Unlike in a shell, only regular files match, or links to such, and ~ has
// no meaning. Each directory is read as a whole and its names are matched in
// lexical order; no file is yielded twice by one pattern under one name.
// Directories that cannot be read are errors, and so is a pattern that matches
// nothing.
//
// The iteration may block in reads, and in opening a FIFO without a writer. It
// ends without an error when ctx is done, between two items, or in the middle of
// a read from a pipe, socket or terminal that supports deadlines
// ([os.ErrNoDeadline] tells which do not); a caller that needs to tell this end
// from the end of input looks at ctx. When the consumer breaks, nothing more is
// read. Files are closed either way. The sequence can be iterated more than once
// only as far as Stdin can be read again.
//
// With [Config.Group], an item is made of several: it has their texts as its columns, and
// as its text, with spaces between, and the place of the first.
func Items(ctx context.Context, cfg Config) iter.Seq2[Item, error] {
	if cfg.Group > 1 {
		return groups(ctx, cfg)
	}
	return single(ctx, cfg)
}

// single yields the items one by one.
func single(ctx context.Context, cfg Config) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		emit := emitFunc(func(it Item, err error) bool {
			return ctx.Err() == nil && yield(it, err)
		})
		globs, err := cfg.compile()
		if err != nil {
			emit(Item{}, err)
			return
		}
		for i, arg := range cfg.Args {
			it, err := parseArg(cfg, arg)
			it.Source, it.Line = "arguments", i+1
			if !deliver(emit, cfg, it, err) {
				return
			}
		}
		for _, g := range globs {
			if !globItems(ctx, g, emit) {
				return
			}
		}
		for _, name := range cfg.Files {
			if !fileItems(ctx, cfg, name, emit) {
				return
			}
		}
	}
}

// An emitFunc hands an item or an error to the consumer and reports whether it
// wants more.
type emitFunc func(Item, error) bool

// fail emits what is wrong with the place that it has.
func (emit emitFunc) fail(it Item, err error, hint string) bool {
	e := &Error{Source: it.Source, Line: it.Line, Err: err, Hint: hint}
	return emit(Item{Source: it.Source, Line: it.Line}, e)
}

// deliver emits an item that has been parsed, or the error that parsing gave.
func deliver(emit emitFunc, cfg Config, it Item, err error) bool {
	if bad, ok := errors.AsType[*recordError](err); ok {
		return emit.fail(it, bad.err, bad.hint)
	}
	if err != nil {
		return emit.fail(it, err, "")
	}
	if cfg.SkipEmpty && it.Text == "" && it.Fields == nil {
		return true
	}
	return emit(it, nil)
}

// A recordError is what a parser finds wrong with a record whose place its
// caller knows.
type recordError struct {
	err  error
	hint string
}

func (e *recordError) Error() string { return e.err.Error() }

func parseArg(cfg Config, arg string) (Item, error) {
	switch cfg.Format {
	case CSV:
		return parseCSV(arg, cfg.comma())
	case NDJSON:
		return parseJSON(arg)
	}
	return Item{Text: arg}, nil
}

// fileItems emits the records of one file and reports whether to go on.
func fileItems(ctx context.Context, cfg Config, name string, emit emitFunc) bool {
	if name == Stdin {
		at := Item{Source: "stdin"}
		if cfg.Stdin == nil {
			return emit.fail(at, errors.New("there is no standard input"), "pipe something in, or name a file")
		}
		return readItems(ctx, cfg, at.Source, cfg.Stdin, emit)
	}

	at := Item{Source: name}
	f, err := os.Open(name)
	if err != nil {
		return failFile(emit, at, err)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return emit.fail(at, errors.New("is a directory"), "name a file, or take the files in it as inputs with a glob such as "+name+"/**")
	}
	return readItems(ctx, cfg, name, f, emit)
}

// failFile emits an error of the file system without the name that at has.
func failFile(emit emitFunc, at Item, err error) bool {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathErr.Err
	}
	hint := ""
	switch {
	case errors.Is(err, fs.ErrNotExist):
		hint = "check the name; it is looked up from the current directory"
	case errors.Is(err, fs.ErrPermission):
		hint = "check its permissions with ls -l"
	}
	return emit.fail(at, err, hint)
}

// readItems emits the records of r and reports whether to go on.
func readItems(ctx context.Context, cfg Config, name string, r io.Reader, emit emitFunc) bool {
	if d, ok := r.(interface{ SetReadDeadline(time.Time) error }); ok {
		stop := context.AfterFunc(ctx, func() { d.SetReadDeadline(time.Unix(1, 0)) })
		defer stop()
	}
	br := bufio.NewReaderSize(r, 64<<10)
	if cfg.Format != NUL {
		switch err := skipMark(br); {
		case err == io.EOF:
			return true
		case err == errUTF16:
			return emit.fail(Item{Source: name}, err, "convert it first: iconv -f UTF-16 -t UTF-8")
		case err != nil:
			return failFile(emit, Item{Source: name}, err)
		}
	}
	if cfg.Format == CSV {
		return readCSV(cfg, name, br, emit)
	}
	return readLines(cfg, name, br, emit)
}

// errUTF16 is what skipMark finds at the start of a text in UTF-16.
var errUTF16 = errors.New("the text is UTF-16, not UTF-8")

// skipMark skips the byte order mark of UTF-8 and refuses those of UTF-16. It
// returns io.EOF if there is nothing to read, and peeks no further than it must,
// since the rest may be long in coming.
func skipMark(r *bufio.Reader) error {
	first, err := r.Peek(1)
	if err != nil {
		return err
	}
	mark := ""
	switch first[0] {
	case 0xEF:
		mark = "\xef\xbb\xbf"
	case 0xFF:
		mark = "\xff\xfe"
	case 0xFE:
		mark = "\xfe\xff"
	default:
		return nil
	}
	if b, _ := r.Peek(len(mark)); string(b) != mark {
		return nil
	}
	if len(mark) == 2 {
		return errUTF16
	}
	_, err = r.Discard(len(mark))
	return err
}

// more formats at most ten of the names for an error message.
func more(names []string) string {
	const most = 10
	s := ""
	for i, name := range names[:min(len(names), most)] {
		if i > 0 {
			s += ", "
		}
		s += fmt.Sprintf("%q", name)
	}
	if len(names) > most {
		s += fmt.Sprintf(" and %d more", len(names)-most)
	}
	return s
}
