package record

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// A scanner reads a JSON object, key by key. It is strict: what encoding/json does not
// accept, it does not accept either.
type scanner struct {
	b   []byte
	i   int
	err error // the first mistake
	// names holds strings that come again and again, such as those of tasks.
	names map[string]string
}

var errNoJSON = errors.New("not a JSON object")

func (s *scanner) fail(err error) {
	if s.err == nil {
		s.err = err
	}
}

func (s *scanner) space() {
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\t', '\r', '\n':
			s.i++
		default:
			return
		}
	}
}

// is goes past c, if it comes next.
func (s *scanner) is(c byte) bool {
	s.space()
	if s.i < len(s.b) && s.b[s.i] == c {
		s.i++
		return true
	}
	return false
}

// each calls field for each key of the object that comes next. Field reads the value.
func (s *scanner) each(field func(key []byte)) {
	if !s.is('{') {
		s.fail(errNoJSON)
		return
	}
	if s.is('}') {
		return
	}
	for s.err == nil {
		s.space()
		raw, plain := s.quoted()
		if s.err != nil {
			return
		}
		if !plain {
			raw = []byte(s.unquote(raw))
		} else {
			raw = raw[1 : len(raw)-1]
		}
		if !s.is(':') {
			s.fail(errNoJSON)
			return
		}
		s.space()
		field(raw)
		if s.is(',') {
			continue
		}
		if !s.is('}') {
			s.fail(errNoJSON)
		}
		return
	}
}

// quoted goes past the string that comes next, and returns it with its quotes. Plain
// says that it has nothing to be decoded.
func (s *scanner) quoted() (raw []byte, plain bool) {
	if s.i >= len(s.b) || s.b[s.i] != '"' {
		s.fail(errNoJSON)
		return nil, false
	}
	from := s.i
	plain = true
	for i := from + 1; i < len(s.b); i++ {
		switch c := s.b[i]; {
		case c == '"':
			s.i = i + 1
			return s.b[from:s.i], plain
		case c == '\\':
			plain = false
			i++
		case c < ' ':
			s.fail(errors.New("a control character in a string"))
			return nil, false
		case c >= utf8.RuneSelf:
			plain = false
		}
	}
	s.fail(errors.New("a string without an end"))
	return nil, false
}

func (s *scanner) unquote(raw []byte) string {
	var text string
	if strings.IndexByte(string(raw), '\\') < 0 {
		return strings.ToValidUTF8(string(raw[1:len(raw)-1]), "\ufffd")
	}
	if err := json.Unmarshal(raw, &text); err != nil {
		s.fail(err)
	}
	return text
}

func (s *scanner) text() string {
	if s.null() {
		return ""
	}
	raw, plain := s.quoted()
	switch {
	case s.err != nil:
		return ""
	case plain:
		return string(raw[1 : len(raw)-1])
	}
	return s.unquote(raw)
}

// name is text for strings that come often.
func (s *scanner) name() string {
	const many = 1000
	if s.null() {
		return ""
	}
	raw, plain := s.quoted()
	if s.err != nil {
		return ""
	}
	if known, ok := s.names[string(raw)]; ok {
		return known
	}
	var text string
	if plain {
		text = string(raw[1 : len(raw)-1])
	} else {
		text = s.unquote(raw)
	}
	if len(s.names) < many && len(raw) < many {
		if s.names == nil {
			s.names = make(map[string]string)
		}
		s.names[string(raw)] = text
	}
	return text
}

func (s *scanner) null() bool { return s.word("null") }

func (s *scanner) word(w string) bool {
	if s.i+len(w) > len(s.b) || string(s.b[s.i:s.i+len(w)]) != w {
		return false
	}
	s.i += len(w)
	return true
}

func (s *scanner) flag() bool {
	if s.word("true") {
		return true
	}
	if !s.word("false") && !s.null() {
		s.fail(errors.New("neither true nor false"))
	}
	return false
}

// digits goes past digits, and reports whether there were any.
func (s *scanner) digits() bool {
	from := s.i
	for s.i < len(s.b) && '0' <= s.b[s.i] && s.b[s.i] <= '9' {
		s.i++
	}
	return s.i > from
}

// literal goes past a number and returns it. Whole says that it has neither a fraction
// nor an exponent.
func (s *scanner) literal() (raw []byte, whole bool) {
	from := s.i
	if s.i < len(s.b) && s.b[s.i] == '-' {
		s.i++
	}
	first := s.i
	if !s.digits() || s.b[first] == '0' && s.i > first+1 {
		s.fail(errors.New("not a number"))
		return nil, false
	}
	whole = true
	if s.i < len(s.b) && s.b[s.i] == '.' {
		s.i++
		whole = false
		if !s.digits() {
			s.fail(errors.New("not a number"))
		}
	}
	if s.i < len(s.b) && (s.b[s.i] == 'e' || s.b[s.i] == 'E') {
		s.i++
		whole = false
		if s.i < len(s.b) && (s.b[s.i] == '+' || s.b[s.i] == '-') {
			s.i++
		}
		if !s.digits() {
			s.fail(errors.New("not a number"))
		}
	}
	return s.b[from:s.i], whole
}

func (s *scanner) float() float64 {
	if s.null() {
		return 0
	}
	raw, _ := s.literal()
	if s.err != nil {
		return 0
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil {
		s.fail(err)
	}
	return f
}

// integer reads a whole number; one that was written with a fraction is cut.
func (s *scanner) integer() int64 {
	if s.null() {
		return 0
	}
	raw, whole := s.literal()
	if s.err != nil {
		return 0
	}
	if whole && len(raw) <= 18 { // which cannot overflow
		n, digits := int64(0), raw
		if raw[0] == '-' {
			digits = raw[1:]
		}
		for _, c := range digits {
			n = n*10 + int64(c-'0')
		}
		if raw[0] == '-' {
			n = -n
		}
		return n
	}
	if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
		return n
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || f < -1<<63 || f >= 1<<63 {
		s.fail(fmt.Errorf("%s is too large a number", clip(string(raw))))
		return 0
	}
	return int64(f)
}

func (s *scanner) int() int { return int(s.integer()) }

// call reads the number of a call, which may need all 64 bits.
func (s *scanner) call() uint64 {
	from := s.i
	if s.null() {
		return 0
	}
	raw, whole := s.literal()
	if s.err != nil {
		return 0
	}
	if whole && raw[0] != '-' {
		n, err := strconv.ParseUint(string(raw), 10, 64)
		if err != nil {
			s.fail(err)
		}
		return n
	}
	s.i = from
	return uint64(s.integer())
}

// micros reads a time.
func (s *scanner) micros() time.Duration {
	n := s.integer()
	if !isMicros(n) {
		s.fail(fmt.Errorf("%d is too long a time", n))
		return 0
	}
	return time.Duration(n) * time.Microsecond
}

// isMicros reports whether n microseconds are a time.Duration.
func isMicros(n int64) bool {
	const most = int64(1<<63-1) / int64(time.Microsecond)
	return -most <= n && n <= most
}

// list calls value for each element of the list that comes next, if there is one.
func (s *scanner) list(value func()) {
	if s.null() {
		return
	}
	if !s.is('[') {
		s.fail(errors.New("not a list"))
		return
	}
	if s.is(']') {
		return
	}
	for s.err == nil {
		s.space()
		value()
		if s.is(']') {
			return
		}
		if !s.is(',') {
			s.fail(errors.New("a list without an end"))
		}
	}
}

func (s *scanner) texts() (all []string) {
	s.list(func() { all = append(all, s.text()) })
	return all
}

// numbers is for calls, and what is between them.
func (s *scanner) integers() (all []int64) {
	s.list(func() { all = append(all, s.integer()) })
	return all
}

// deepest is how far values that are skipped may be nested.
const deepest = 100

// skip goes past a value of any kind.
func (s *scanner) skip(depth int) {
	if s.err != nil {
		return
	}
	s.space()
	switch {
	case s.i >= len(s.b):
		s.fail(errNoJSON)
	case depth > deepest:
		s.fail(errors.New("values are nested too deeply"))
	case s.b[s.i] == '"':
		if raw, plain := s.quoted(); s.err == nil && !plain {
			s.unquote(raw)
		}
	case s.b[s.i] == '{':
		s.each(func([]byte) { s.skip(depth + 1) })
	case s.b[s.i] == '[':
		s.list(func() { s.skip(depth + 1) })
	case s.word("true"), s.word("false"), s.word("null"):
	default:
		s.literal()
	}
}

// clip cuts what an error message quotes.
func clip(s string) string {
	const most = 40
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
