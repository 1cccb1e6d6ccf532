package export

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The texts in a record come from anywhere: names of files, messages of programs. In a
// report they must be nothing but text, wherever it is shown: no markup, no links, no
// mention of people, no line of its own. Code spans are that, in lines that are not part
// of a table, where a bar would end them.

// code returns s as a code span, on one line and cut to about n bytes.
func code(s string, n int) string {
	s = visible(cut(s, n))
	if s == "" {
		return "(empty)"
	}
	longest, run := 0, 0
	for i := range len(s) {
		if s[i] != '`' {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	fence := strings.Repeat("`", longest+1)
	if s[0] == '`' || s[len(s)-1] == '`' || s[0] == ' ' && s[len(s)-1] == ' ' {
		s = " " + s + " " // of which Markdown takes one away on each side
	}
	return fence + s + fence
}

// visible replaces what is not seen, or moves other text, by escapes as in Go.
func visible(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return !strconv.IsPrint(r) || r == unicode.ReplacementChar }) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == unicode.ReplacementChar || strconv.IsPrint(r):
			b.WriteRune(r)
		default:
			q := strconv.QuoteRune(r)
			b.WriteString(q[1 : len(q)-1])
		}
	}
	return b.String()
}

// prose returns s as it is if it means nothing in Markdown, and otherwise as code.
func prose(s string, n int) string {
	if s == "" || !plain(s) || len(s) > n {
		return code(s, n)
	}
	return s
}

// plain reports whether s is words, numbers and punctuation that means nothing, at the
// beginning of a line either.
func plain(s string) bool {
	if r, _ := utf8.DecodeRuneInString(s); !unicode.IsLetter(r) {
		return false
	}
	for i, r := range s {
		switch {
		case unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune(" .,;%()×→≤≥=-", r):
		case r == ':' && (i+1 == len(s) || s[i+1] == ' '):
		default:
			return false
		}
	}
	return !strings.Contains(strings.ToLower(s), "www.") && strings.TrimSpace(s) == s
}

// cell returns s for a cell of a table: what is not plain is replaced by other.
func cell(s, other string) string {
	if s == "" || len(s) > 40 || !plain(s) {
		return other
	}
	return s
}
