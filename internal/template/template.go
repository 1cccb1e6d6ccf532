// Package template fills the inputs of a run into a command line.
//
// The command line is a list of arguments, as for exec: there is no shell, and
// each argument stays one argument whatever is filled in. The placeholders are
// the replacement strings of GNU parallel:
//
//	{}       the input
//	{.}      without its extension: dir/a.tar.gz is dir/a.tar
//	{/}      its base name:         dir/a.tar.gz is a.tar.gz
//	{//}     its directory:         dir/a.tar.gz is dir, a is .
//	{/.}     its base name without the extension
//	{2}      the second column; {-1} is the last one
//	{name}   the column or JSON member of that name
//	{"a b"}  the same for a name that is no identifier
//	{#}      the sequence number of the task, from 1
//	{%}      the number of the slot it runs in, from 1
//
// Columns and names take the suffixes too: {2.} {2/} {name//} {"a b"/.}.
//
// # Several inputs
//
// An item may be a group of inputs. An argument with {} or its kin then stands there once
// for each of them: -i{} becomes -ia -ib. In a script and in other texts, {} is all of them
// with spaces between, each a word of its own outside quotes. {2} is the second input, and
// an error in a group that has less.
//
// # What is no placeholder
//
// Everything else in braces stays as it is: {print $1}, {"a": 1}, {a,b}, { }.
// {name} and {"a b"} are placeholders only if the inputs have names
// ([Options.Keys]), so that awk '{print}' means what it says for plain lines. An
// identifier is made of letters, digits, '_', '-' and '.', starts with a letter
// or '_', and does not end with a '.'.
//
// {{} stands for a single {, which is the way to write braces that would be a
// placeholder: {{}} is the text {}, and {{}2} is {2}. A backslash would be more
// usual, but it is a part of ordinary arguments: of Windows paths such as
// out\{}, and of regular expressions. Doubled braces would take {{1}} away, which
// GNU parallel fills in.
//
// # Differences from GNU parallel
//
// A column that is not there is an error and not an empty string, since a
// command with a missing argument does something else. {0} is an error, and so is
// an input with a NUL byte, which no argument can hold. On Windows, both slashes
// separate directories and a volume such as C: stays with them.
package template

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/go-braid/braid/internal/input"
)

// Options say how a command line is read. The zero Options are those for plain
// inputs and a command without a shell.
type Options struct {
	// Columns says that inputs may have more than one column. Without it, {2} is
	// an error at once and not one for each input.
	Columns bool

	// Keys says that inputs may have names, so that {name} is a placeholder.
	Keys bool

	// Shell joins the arguments with spaces to a script for a POSIX shell, in
	// which each value is quoted; see [Parse].
	Shell bool

	// Filled says that the input reaches the command by another way, so that {}
	// is not appended.
	Filled bool
}

// A Command is a command line with placeholders. It does not change, so that any
// number of goroutines can expand it.
type Command struct {
	args  [][]part // of a shell script, one
	shell bool
}

// A part is a piece of an argument.
type part struct {
	kind   kind
	op     op
	column int    // for column
	text   string // of a literal, or the name of a key
	source string // the placeholder as it is written
	quote  quoting
}

type kind uint8

const (
	literal kind = iota
	whole
	column
	key
	sequence
	slot
)

// Parse reads a command line. If no argument holds a placeholder, {} is appended
// as an argument of its own, as GNU parallel does; {#} and {%} count.
//
// With [Options.Shell], the arguments are one script for /bin/sh, which is most
// often given as one argument. Each value is quoted for the place it stands in:
// as a word of its own, inside "…" and inside '…', at the top and in $(…), so
// that it arrives byte for byte and is never run, and quotes around a placeholder
// are neither needed nor harmful. It is an error where no quoting is safe, and
// where one would have to understand the script to know: in comments, ${…} and
// arithmetic, and in or after backquotes, here-documents, $'…', functions, and
// case in parentheses. A variable helps there: v={}; … "$v". {#} and {%} are
// fine anywhere, and ${2} and ${name} are the shell's own. Values are quoted
// once, for this shell: what a script hands to eval, ssh or awk as code is code
// there. Windows has no such shell, and Shell is an error.
func Parse(args []string, opts Options) (*Command, error) {
	if len(args) == 0 || len(args) == 1 && args[0] == "" {
		return nil, errors.New("there is no command to run: give its name and arguments, for example: gzip -k {}")
	}
	if opts.Shell {
		if runtime.GOOS == "windows" {
			return nil, errors.New("shell scripts need a POSIX shell, which Windows lacks: give the command and its arguments one by one, without a shell")
		}
		script, err := parseScript(strings.Join(args, " "), opts)
		if err != nil {
			return nil, err
		}
		return &Command{args: [][]part{script}, shell: true}, nil
	}

	c := &Command{}
	filled := opts.Filled
	for _, arg := range args {
		parts, err := parseArg(arg, opts)
		if err != nil {
			return nil, err
		}
		c.args = append(c.args, parts)
		filled = filled || len(parts) > 1 || parts[0].kind != literal
	}
	if !filled {
		c.args = append(c.args, []part{{kind: whole, source: "{}"}})
	}
	return c, nil
}

// parseArg cuts an argument into at least one part.
func parseArg(arg string, opts Options) ([]part, error) {
	var parts []part
	text := make([]byte, 0, len(arg))
	for i := 0; i < len(arg); {
		p, n, err := scan(arg[i:], opts)
		if err != nil {
			return nil, err
		}
		if p.kind == literal {
			text = append(text, p.text...)
		} else {
			parts = append(appendLiteral(parts, text), p)
			text = text[:0]
		}
		i += n
	}
	if len(text) > 0 || len(parts) == 0 {
		parts = append(parts, part{text: string(text)})
	}
	return parts, nil
}

func appendLiteral(parts []part, text []byte) []part {
	if len(text) == 0 {
		return parts
	}
	return append(parts, part{text: string(text)})
}

// Expand returns the arguments for one input: the program and what follows, or
// /bin/sh, -c and the script. The error names the placeholder that the input has
// no value for and what there is instead. The cost is linear in the size of the
// input and of the result.
func (c *Command) Expand(it input.Item, seq, slot int) ([]string, error) {
	args := make([]string, 0, len(c.args)+2)
	if c.shell {
		args = append(args, "/bin/sh", "-c")
	}
	s := subject{item: it, seq: seq, slot: slot}
	for _, parts := range c.args {
		times := 1
		if group := it.Group(); group != nil && !c.shell && slices.ContainsFunc(parts, isWhole) {
			times = len(group)
		}
		for i := range times {
			if times > 1 {
				s.one = it.Group()[i : i+1]
			}
			arg, err := s.expand(parts)
			if err != nil {
				return nil, err
			}
			if strings.IndexByte(arg, 0) >= 0 {
				return nil, errors.New("the input holds a NUL byte, which no command line can; if NUL bytes end the inputs, read them as NUL-terminated")
			}
			args = append(args, arg)
		}
	}
	return args, nil
}

func isWhole(p part) bool { return p.kind == whole }

// A subject is what placeholders stand for.
type subject struct {
	item      input.Item
	one       []string // the one input of a group that {} stands for; nil if for all
	seq, slot int
}

func (s *subject) expand(parts []part) (string, error) {
	if len(parts) == 1 {
		return s.value(parts[0])
	}
	var b strings.Builder
	for _, p := range parts {
		value, err := s.value(p)
		if err != nil {
			return "", err
		}
		b.WriteString(value)
	}
	return b.String(), nil
}

// whole returns what stands for {} and its kin.
func (s *subject) whole(p part) string {
	group := s.one
	if group == nil {
		group = s.item.Group()
	}
	if group == nil {
		return p.quote.apply(p.op.apply(s.item.Text))
	}
	var b strings.Builder
	for i, text := range group {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(p.quote.apply(p.op.apply(text)))
	}
	return b.String()
}

// value returns what stands for the part.
func (s *subject) value(p part) (value string, err error) {
	switch p.kind {
	case literal:
		return p.text, nil
	case whole:
		return s.whole(p), nil
	case sequence:
		return strconv.Itoa(s.seq), nil
	case slot:
		return strconv.Itoa(s.slot), nil
	case column:
		value, err = s.item.Column(p.column)
	case key:
		value, err = s.item.Key(p.text)
	}
	if err != nil {
		return "", p.fail(err)
	}
	return p.quote.apply(p.op.apply(value)), nil
}

// fail says what is wrong with a placeholder and how to write its text.
func (p part) fail(err error) error {
	return fmt.Errorf("placeholder %s: %w; if it is no placeholder, write {{}%s", p.source, err, p.source[1:])
}
