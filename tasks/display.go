package tasks

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// display returns name as it is if a line of text can hold it, and quoted as in
// Go if it has characters that are not visible: a name must not drive the
// terminal.
func display(name string) string {
	hidden := func(c rune) bool { return !strconv.IsPrint(c) }
	if name == "" || strings.ContainsFunc(name, hidden) || !utf8.ValidString(name) {
		return strconv.Quote(name)
	}
	return name
}
