package template

import (
	"errors"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// scan reads what s, which is not empty, starts with: a placeholder, the escaped
// brace, or literal text, which ends before the next brace. It returns its
// length. It looks at no byte more often than a constant number of times over a
// whole argument: a name ends at the first byte that cannot be in it.
func scan(s string, opts Options) (p part, n int, err error) {
	if s[0] != '{' {
		n = strings.IndexByte(s, '{')
		if n < 0 {
			n = len(s)
		}
		return part{text: s[:n]}, n, nil
	}
	if strings.HasPrefix(s, "{{}") {
		return part{text: "{"}, len("{{}"), nil
	}
	p, rest := scanSubject(s[1:], opts)
	if p.kind != sequence && p.kind != slot {
		p.op, rest = scanOp(rest)
	}
	rest, closed := strings.CutPrefix(rest, "}")
	if !closed || p.kind == literal {
		return part{text: "{"}, 1, nil
	}
	n = len(s) - len(rest)
	p.source = s[:n]
	if p.kind == column {
		return p, n, p.setColumn(opts)
	}
	return p, n, nil
}

// scanSubject reads what a placeholder stands for. What is none is a literal.
func scanSubject(s string, opts Options) (p part, rest string) {
	if s == "" {
		return part{}, s
	}
	switch c := s[0]; {
	case c == '#':
		return part{kind: sequence}, s[1:]
	case c == '%':
		return part{kind: slot}, s[1:]
	case c == '-' || isDigit(c):
		digits := strings.TrimLeft(s[1:], "0123456789")
		if n := len(s) - len(digits); n > 1 || c != '-' {
			return part{kind: column, text: s[:n]}, digits
		}
	case c == '"' && opts.Keys:
		if name, rest, ok := strings.Cut(s[1:], `"`); ok {
			return part{kind: key, text: name}, rest
		}
	case opts.Keys:
		if n := identifier(s); n > 0 {
			return part{kind: key, text: s[:n]}, s[n:]
		}
		return part{kind: whole}, s
	default:
		return part{kind: whole}, s
	}
	return part{}, s
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// identifier returns the length of the identifier that s starts with.
func identifier(s string) int {
	n := 0
	for n < len(s) {
		r, size := utf8.DecodeRuneInString(s[n:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		first := r == '_' || unicode.IsLetter(r)
		if !first && (n == 0 || r != '-' && r != '.' && !unicode.IsDigit(r)) {
			break
		}
		n += size
	}
	return len(strings.TrimRight(s[:n], "."))
}

// setColumn makes a number of the digits in text.
func (p *part) setColumn(opts Options) error {
	n, err := strconv.Atoi(p.text)
	switch {
	case err != nil:
		return p.fail(errors.New("no input has so many columns"))
	case n == 0:
		return p.fail(errors.New("columns are counted from 1, or from -1 at the end"))
	case !opts.Columns && n != 1 && n != -1:
		return p.fail(errors.New("plain inputs have 1 column; more need CSV or NDJSON, or several inputs at once"))
	}
	p.column = n
	return nil
}
