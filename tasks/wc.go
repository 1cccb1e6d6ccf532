package tasks

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-braid/braid"
)

// WC is the task wc: it takes the name of a file and counts what is in it.
var WC = braid.Define("wc", count,
	braid.Doc("The lines, words and bytes of a file, as wc prints them."),
	braid.Idempotent())

// A Count is the result of [WC].
type Count struct {
	Path string `json:"path"` // the file, as it was given

	// Lines counts the line feeds: a last line without one does not count.
	Lines int64 `json:"lines"`

	// Words counts the longest runs of bytes without white space between them,
	// which is any of space, \t, \n, \v, \f and \r. This is wc's rule as POSIX
	// has it, in the C locale. A wc before GNU coreutils 9.5 leaves out words
	// without a printable character, and in a Unicode locale wc knows further
	// white space.
	Words int64 `json:"words"`

	Bytes int64 `json:"bytes"` // the size of the file
}

func count(ctx context.Context, path string) (Count, error) {
	t := tally{after: 1}
	size, err := readFile(ctx, path, t.add)
	if err != nil {
		return Count{}, err
	}
	return Count{Path: path, Lines: t.lines, Words: t.words, Bytes: size}, nil
}

// A tally counts a text that comes in pieces.
type tally struct {
	lines, words int64
	after        uint8 // 1 if white space is before the next byte, or nothing at all
}

// space is 1 for white space.
var space = [256]uint8{' ': 1, '\t': 1, '\n': 1, '\v': 1, '\f': 1, '\r': 1}

func (t *tally) add(piece []byte) error {
	t.lines += int64(bytes.Count(piece, []byte{'\n'}))
	words, after := 0, t.after
	for _, b := range piece {
		// A word begins where white space ends. A branch here would cost several
		// times as much: where words end is hard to predict.
		is := space[b]
		words += int(after &^ is)
		after = is
	}
	t.words += int64(words)
	t.after = after
	return nil
}

// String returns the line that wc prints for the one file: the numbers in
// columns that hold the size of the file, and the name, which is quoted for a
// shell if it has a line feed.
func (c Count) String() string {
	name := c.Path
	if strings.Contains(name, "\n") {
		name = shellQuote(name)
	}
	width := len(strconv.FormatInt(c.Bytes, 10))
	return fmt.Sprintf("%*d %*d %*d %s", width, c.Lines, width, c.Words, width, c.Bytes, name)
}

// shellQuote writes s on one line, as wc does: 'a'$'\n”b'.
func shellQuote(s string) string {
	var b strings.Builder
	b.WriteString("'")
	feeds := false // within $'…'
	for _, c := range []byte(s) {
		switch {
		case c == '\n' && !feeds:
			b.WriteString("'$'")
		case c != '\n' && feeds:
			b.WriteString("''")
		}
		feeds = c == '\n'
		switch c {
		case '\n':
			b.WriteString(`\n`)
		case '\'':
			b.WriteString(`'\''`)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteString("'")
	return b.String()
}
