package record

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"hash/maphash"
	"strings"
	"unicode/utf8"

	"github.com/go-braid/braid/engine"
)

// A fault is a failure as the log tells it.
type fault struct {
	Error
	mark string // by which it is grouped, if the error itself knows
	used Usage  // of a process that has died
}

// classify finds out what kind of failure an error is. Only its outermost layer tells of
// the attempt itself: what it wraps may be the failure of another call.
func classify(err error) (f fault) {
	defer func() {
		// The Error method of a task's error is not ours.
		if v := recover(); v != nil {
			f.Text = fmt.Sprintf("%T, whose Error method panics: %v", err, v)
		}
		f.Text, f.Stack = cut(f.Text, maxError), cut(f.Stack, maxStack)
	}()
	f.Kind = StateError
	if t, ok := err.(*engine.TaskError); ok && t.Err != nil {
		err = t.Err // where it was, the span says
	}
	switch e := err.(type) {
	case *engine.NotStartedError:
		f.Kind = StateRefused
	case *engine.PanicError:
		f.Kind, f.Stack = StatePanic, string(e.Stack)
		f.Text = fmt.Sprintf("panic: %v", e.Value)
		return f
	case *engine.CrashError:
		f.Kind = StateCrash
	default:
		switch {
		case !engine.Interrupted(err):
			if errors.Is(err, engine.ErrPoison) {
				f.Kind = StateCrash
			}
		case errors.Is(err, context.DeadlineExceeded):
			f.Kind = StateTimeout
		default:
			f.Kind = StateCancelled
		}
	}
	if c, ok := errors.AsType[*engine.CrashError](err); ok {
		f.used = Usage{PID: c.PID, Exit: c.ExitCode, Signal: c.Signal, CPU: c.UserTime + c.SystemTime, RSS: c.MaxRSS}
		if f.Kind == StateCrash {
			f.Stack = c.Stderr
		}
	} else if c, ok := errors.AsType[exiter](err); ok {
		f.used.Exit = c.ExitCode()
	}
	if m, ok := errors.AsType[Fingerprinter](err); ok {
		f.mark = m.Fingerprint()
	}
	f.Text = err.Error()
	return f
}

// An exiter is an error such as *exec.ExitError.
type exiter interface {
	error
	ExitCode() int
}

// A Fingerprinter is an error that knows what it has in common with others of its kind,
// for which it returns the same text. Of other errors, the text itself is taken, without
// numbers, names of files, quoted words, and the text of the input.
type Fingerprinter interface {
	error

	// Fingerprint returns the text, which is taken as it is. It may be called from any
	// goroutine.
	Fingerprint() string
}

// faults are the failures that have a number.
type faults struct {
	seed maphash.Seed
	last int
	of   map[uint64]int // by the hash of all that is told of one
}

// maxFaults bounds how many failures are remembered, to be told once.
const maxFaults = 1 << 14

func (s *faults) init() {
	s.seed = maphash.MakeSeed()
	s.of = make(map[uint64]int)
}

// number returns the failure with its number. Fresh says that the log has no line of it.
// The stack of a second one is not kept: it differs in addresses, and says the same.
func (s *faults) number(f fault, input string) (e *Error, fresh bool) {
	f.Print = fingerprint(&f, input)
	var h maphash.Hash
	h.SetSeed(s.seed)
	for _, text := range []string{string(f.Kind), f.Print, f.Text} {
		_, _ = h.WriteString(text)
		_ = h.WriteByte(0)
	}
	sum := h.Sum64()
	if n, ok := s.of[sum]; ok {
		f.Number = n
		return &f.Error, false
	}
	s.last++
	f.Number = s.last
	if len(s.of) < maxFaults {
		s.of[sum] = s.last
	}
	return &f.Error, true
}

// fingerprint returns the fingerprint of a failure.
func fingerprint(f *fault, input string) string {
	h := fnv.New64a()
	text := f.mark
	if text == "" {
		text = mask(f.Text, input)
	}
	_, _ = h.Write([]byte(f.Kind))
	_, _ = h.Write([]byte{0})
	_, _ = h.Write([]byte(text))
	if f.Kind == StatePanic {
		_, _ = h.Write([]byte{0})
		_, _ = h.Write([]byte(panicked(f.Stack)))
	}
	return fmt.Sprintf("%016x", h.Sum64())
}

// panicked returns the function that panicked, from the stack of its goroutine.
func panicked(stack string) string {
	_, rest, ok := strings.Cut(stack, "\npanic(")
	if !ok {
		return ""
	}
	for line := range strings.Lines(rest) {
		line = strings.TrimRight(line, "\r\n")
		if strings.HasPrefix(line, "\t") || strings.HasPrefix(line, "runtime.") {
			continue
		}
		if i := strings.LastIndexByte(line, '('); i > 0 && !strings.HasPrefix(line, "0x") && !strings.HasPrefix(line, "{") {
			return line[:i]
		}
	}
	return ""
}

// maxMask is how much of a text a fingerprint is made of.
const maxMask = 2 << 10

// mask returns a text without what differs from one failure to the next: the input, numbers,
// durations, addresses, quoted words and names of files.
func mask(text, input string) string {
	text = cut(text, maxMask)
	// One that is a number is masked as all numbers are, so that it is the same as others.
	var number bytes.Buffer
	maskWord(&number, cut(input, maxMask))
	if len(input) >= 2 && len(input) <= maxMask && number.String() != "#" {
		text = strings.ReplaceAll(text, input, "\x00")
	}
	var b bytes.Buffer
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case isQuote(text, i):
			i = pastQuoted(text, i)
			b.WriteByte('"')
		case isWord(c):
			from := i
			for i < len(text) && isWord(text[i]) {
				i++
			}
			maskWord(&b, text[from:i])
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			for i < len(text) && strings.IndexByte(" \t\r\n", text[i]) >= 0 {
				i++
			}
			b.WriteByte(' ')
		default:
			b.WriteByte(c)
			i++
		}
	}
	return b.String()
}

// isWord reports whether c can be a part of a word or of the name of a file.
func isWord(c byte) bool {
	return isLetter(c) || isDigit(c) || c >= utf8.RuneSelf || c == 0 || strings.IndexByte("_./\\-~+%@", c) >= 0
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
func isDigit(c byte) bool  { return '0' <= c && c <= '9' }
func isHex(c byte) bool    { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }

// isQuote reports whether a quoted word begins at i. An apostrophe within a word is none.
func isQuote(text string, i int) bool {
	switch text[i] {
	case '"', '`':
	case '\'':
		if i > 0 && (isLetter(text[i-1]) || isDigit(text[i-1])) {
			return false
		}
	default:
		return false
	}
	return pastQuoted(text, i) > i
}

// pastQuoted returns where the word ends that is quoted at i, or i if it has no end.
func pastQuoted(text string, i int) int {
	q := text[i]
	for j := i + 1; j < len(text) && text[j] != '\n'; j++ {
		switch {
		case text[j] == '\\' && q == '"':
			j++
		case text[j] == q && (q != '\'' || j+1 == len(text) || !isLetter(text[j+1])):
			return j + 1
		}
	}
	return i
}

// maskWord writes a word without its numbers, or what stands for it if it names a file.
func maskWord(b *bytes.Buffer, word string) {
	end := len(strings.TrimRight(word, ".-"))
	word, rest := word[:end], word[end:]
	defer b.WriteString(rest)
	switch {
	case strings.ContainsAny(word, "/\\\x00"):
		b.WriteByte('/')
		return
	case isDuration(word), isHexNumber(word):
		b.WriteByte('#')
		return
	}
	for i := 0; i < len(word); {
		if !isDigit(word[i]) {
			b.WriteByte(word[i])
			i++
			continue
		}
		for i < len(word) && (isDigit(word[i]) || word[i] == '.' && i+1 < len(word) && isDigit(word[i+1])) {
			i++
		}
		b.WriteByte('#')
	}
}

// isDuration reports whether a word is such as 1m30.5s.
func isDuration(word string) bool {
	if word == "" || !isDigit(word[0]) {
		return false
	}
	i := 0
	for i < len(word) {
		from := i
		for i < len(word) && (isDigit(word[i]) || word[i] == '.') {
			i++
		}
		if i == from {
			return false
		}
		unit := false
		for _, u := range []string{"ns", "µs", "us", "ms", "s", "m", "h"} {
			if strings.HasPrefix(word[i:], u) {
				i, unit = i+len(u), true
				break
			}
		}
		if !unit {
			return false
		}
	}
	return true
}

// isHexNumber reports whether a word is an address, a hash or the like.
func isHexNumber(word string) bool {
	if rest, ok := strings.CutPrefix(word, "0x"); ok && rest != "" {
		word = rest
	} else if len(word) < 8 || !strings.ContainsAny(word, "0123456789") {
		return false
	}
	for i := range len(word) {
		if !isHex(word[i]) && word[i] != '-' { // as those of UUIDs
			return false
		}
	}
	return true
}

// cut returns at most n bytes from the beginning of s.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return strings.Clone(s[:n])
}

// tail returns at most maxText bytes from the end of s.
func tail(s string) string {
	if len(s) <= maxText {
		return s
	}
	i := len(s) - maxText
	for i < len(s) && !utf8.RuneStart(s[i]) {
		i++
	}
	return strings.Clone(s[i:])
}
