package template

import (
	"errors"
	"fmt"
	"strings"
)

// A lexer follows a script of a POSIX shell closely enough to tell how a value
// must be quoted at each place. It does not understand the script; where it would
// have to, or where shells differ, it gives up, and every value from there on is
// refused: an error is better than a value that runs.
type lexer struct {
	frames   []frame // what is open; never empty
	lost     string  // what the lexer gave up at
	escaped  bool    // a backslash quotes the next byte
	joining  bool    // the byte before that backslash could be half an operator
	dollar   bool    // the byte before was a $ that is not quoted
	redirect byte    // the byte before was this < or >, not quoted
	inWord   bool    // the byte before was part of a word
	word     []byte  // the start of the current word
}

// A frame is something that is open and ends with a byte of its own.
type frame struct {
	kind  frameKind
	sub   bool // it started with a $, so that its end does not end the word
	fresh bool // nothing has followed its start
	depth int  // of open parentheses, for arithmetic
}

type frameKind uint8

const (
	top         frameKind = iota
	parens                // ( or $(
	doubleQuote           // "
	singleQuote           // '
	comment               // #
	parameter             // ${
	arithmetic            // (( or $((
)

func newLexer() *lexer { return &lexer{frames: []frame{{kind: top}}} }

func (lx *lexer) frame() *frame { return &lx.frames[len(lx.frames)-1] }

func (lx *lexer) push(f frame) {
	f.fresh = true
	lx.frames = append(lx.frames, f)
}

// pop closes the frame. The word around a quoted or $ frame goes on behind it.
func (lx *lexer) pop() {
	f := *lx.frame()
	lx.frames = lx.frames[:len(lx.frames)-1]
	if f.sub {
		lx.add('$')
	}
}

func (lx *lexer) giveUp(at string) {
	if lx.lost == "" {
		lx.lost = at
	}
}

// value returns the quoting for a value at the current place and goes behind it.
func (lx *lexer) value() (quoting, error) {
	q, where := asIs, ""
	switch kind := lx.frame().kind; {
	case lx.lost != "":
		where = "in or after " + lx.lost
	case lx.escaped:
		where = "right after a backslash"
	case kind == singleQuote:
		q = inSingle
	case kind == doubleQuote:
		q = inDouble
	case kind == comment:
		where = "in a comment"
	case kind == parameter:
		where = "in ${…}"
	case kind == arithmetic:
		where = "in arithmetic"
	default:
		q = asWord
	}
	if where != "" {
		return asIs, fmt.Errorf(`it stands %s, where no value can be quoted safely: put it into a variable at the start of the script, as in v={}; echo "$v"`, where)
	}
	lx.filled()
	return q, nil
}

// filled goes behind a value.
func (lx *lexer) filled() {
	lx.escaped, lx.dollar, lx.redirect = false, false, 0
	lx.frame().fresh = false
	lx.add('{')
}

// add makes c part of a word.
func (lx *lexer) add(c byte) {
	lx.inWord = true
	if len(lx.word) <= len("case") {
		lx.word = append(lx.word, c)
	}
}

// endWord ends a word outside quotes.
func (lx *lexer) endWord() {
	// The patterns of case hold closing parentheses that nothing has opened.
	if string(lx.word) == "case" && len(lx.frames) > 1 {
		lx.giveUp("case in parentheses")
	}
	lx.startWord()
}

func (lx *lexer) startWord() { lx.word, lx.inWord = lx.word[:0], false }

// next goes behind a byte of the script.
func (lx *lexer) next(c byte) {
	if lx.lost != "" {
		lx.dollar = c == '$'
		return
	}
	f := lx.frame()
	dollar, redirect, fresh := lx.dollar, lx.redirect, f.fresh
	lx.dollar, lx.redirect, f.fresh = false, 0, false
	if lx.escaped {
		lx.escape(c)
		return
	}
	switch f.kind {
	case singleQuote:
		if c == '\'' {
			lx.pop()
		}
	case comment:
		if c == '\n' {
			lx.pop()
			lx.startWord()
		}
	case parameter:
		lx.inParameter(c)
	case arithmetic:
		lx.inArithmetic(c, dollar)
	case doubleQuote:
		switch {
		case lx.special(c, dollar):
		case c == '"':
			lx.pop()
		}
	default:
		switch {
		case lx.special(c, dollar):
		case c == '(':
			lx.parenthesis(fresh, redirect)
		default:
			lx.outside(c, dollar, redirect)
		}
	}
	lx.joining = lx.escaped && (dollar || redirect != 0 || fresh)
}

// escape deals with the byte behind a backslash.
func (lx *lexer) escape(c byte) {
	lx.escaped = false
	if c != '\n' {
		lx.add('\\')
		return
	}
	// The shell takes both bytes away, which can put an operator together.
	if lx.joining {
		lx.giveUp("an operator on two lines")
	}
}

// special deals with what means the same outside quotes and in double quotes, and
// reports whether c was such a thing.
func (lx *lexer) special(c byte, dollar bool) bool {
	switch {
	case c == '\\':
		lx.escaped = true
	case c == '$':
		lx.add(c)
		lx.dollar = !dollar // $$ is a variable, and nothing follows it
	case c == '`':
		lx.giveUp("backquotes")
	case dollar && c == '{':
		lx.push(frame{kind: parameter, sub: true})
	case dollar && c == '(':
		lx.push(frame{kind: parens, sub: true})
		lx.startWord()
	default:
		return false
	}
	return true
}

// parenthesis deals with an opening one outside quotes and without a $.
func (lx *lexer) parenthesis(fresh bool, redirect byte) {
	f := lx.frame()
	switch {
	case fresh && f.kind == parens:
		f.kind, f.depth = arithmetic, 2
		return
	case redirect != 0:
		lx.giveUp("<(…)")
	case lx.inWord:
		lx.giveUp("a function, an array or a pattern in parentheses")
	}
	lx.endWord()
	lx.push(frame{kind: parens})
}

// outside deals with the other bytes outside quotes.
func (lx *lexer) outside(c byte, dollar bool, redirect byte) {
	switch c {
	case ' ', '\t', '\n', ';', '&', '|':
		lx.endWord()
	case '<', '>':
		if c == '<' && redirect == '<' {
			lx.giveUp("a here-document")
		}
		lx.endWord()
		lx.redirect = c
	case ')':
		lx.endWord()
		if lx.frame().kind == parens {
			lx.pop()
		}
	case '\'':
		if dollar {
			lx.giveUp("$'…'")
		}
		lx.push(frame{kind: singleQuote, sub: true})
	case '"':
		lx.push(frame{kind: doubleQuote, sub: true})
	case '#':
		if !lx.inWord {
			lx.push(frame{kind: comment})
			return
		}
		lx.add(c)
	case '[':
		// Shells of the ksh family read on to the end of a subscript.
		if lx.inWord && identifier(string(lx.word)) == len(lx.word) {
			lx.giveUp("an array or a pattern in brackets right after a name")
		}
		lx.add(c)
	default:
		lx.add(c)
	}
}

// inParameter deals with a byte of ${…}. What is quoted or nested in there
// depends on the quotes around it and on the shell.
func (lx *lexer) inParameter(c byte) {
	switch c {
	case '}':
		lx.pop()
	case '\\', '\'', '"', '$', '`', '{':
		lx.giveUp("quotes or expansions in ${…}")
	}
}

// inArithmetic deals with a byte of ((…)), which may still turn out to be a
// subshell in a subshell.
func (lx *lexer) inArithmetic(c byte, dollar bool) {
	switch {
	case c == '$':
		lx.dollar = !dollar
	case dollar && (c == '(' || c == '{'):
		lx.giveUp("expansions in arithmetic")
	case c == '(':
		lx.frame().depth++
	case c == ')':
		if lx.frame().depth--; lx.frame().depth == 0 {
			lx.pop()
		}
	case strings.IndexByte("\\'\"`#;<\n", c) >= 0:
		lx.giveUp("quotes or operators in arithmetic")
	}
}

// end reports what the script leaves open.
func (lx *lexer) end() error {
	if lx.lost != "" {
		return nil // the shell will say it
	}
	switch {
	case lx.escaped:
		return errors.New(`the script ends in a backslash: write \\ for a backslash`)
	case lx.frame().kind == singleQuote:
		return errors.New("the script ends in a quoted string: a ' is missing")
	case lx.frame().kind == doubleQuote:
		return errors.New(`the script ends in a quoted string: a " is missing`)
	}
	return nil
}
