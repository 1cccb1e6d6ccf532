package input

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"
)

// An Item is one input of a run: a record and the place it comes from. Items
// share nothing that changes, so they can be kept and used from any goroutine.
type Item struct {
	// Text is the whole record without its end: the argument, the path, the
	// line, the NUL-terminated record; for CSV the record as it is written, with
	// its quotes; for NDJSON the line.
	Text string

	// Fields are the columns of a CSV record, the elements of a JSON array, the
	// values of a JSON object, a single other JSON value, or the texts of a group. It
	// is nil for plain records, whose only column is Text. JSON strings appear as their value,
	// other JSON values as compact JSON, numbers as they are written.
	Fields []string

	// Names are the names of Fields: the header of a CSV file, which its items
	// share and nobody may change, or the keys of a JSON object in the order
	// written. It is nil where fields have none.
	Names []string

	// Format is the format of the record: CSV, NDJSON, or Lines for a plain one.
	Format Format

	// Source is the file's name, "stdin", "arguments", or the pattern.
	Source string

	// Line is the line the record starts at, from 1. In arguments, matches of a
	// pattern and NUL-terminated records it is the number of the record.
	Line int
}

// Column returns the n-th column, counted from 1, or from the end if n is
// negative: -1 is the last. A plain record has one column, its text. The error
// says how many there are. The members of a JSON object are not columns, as
// their order means nothing.
func (it Item) Column(n int) (string, error) {
	if it.Fields == nil {
		if n == 1 || n == -1 {
			return it.Text, nil
		}
		return "", fmt.Errorf("there is no column %d: the input is a plain record with 1 column", n)
	}
	if it.Format == NDJSON && it.Names != nil {
		return "", fmt.Errorf("there is no column %d: the input is a JSON object, whose values have names: %s", n, more(it.Names))
	}
	i := n - 1
	if n < 0 {
		i = len(it.Fields) + n
	}
	if n == 0 || i < 0 || i >= len(it.Fields) {
		if it.Group() != nil {
			return "", fmt.Errorf("there is no input %d: the group has %d", n, len(it.Fields))
		}
		return "", fmt.Errorf("there is no column %d: the record has %d", n, len(it.Fields))
	}
	return it.Fields[i], nil
}

// Key returns the column or JSON member of that name. The error names those
// there are. A name that occurs twice is an error too: a guess could be wrong.
func (it Item) Key(name string) (string, error) {
	i := slices.Index(it.Names, name)
	if i < 0 {
		if len(it.Names) == 0 {
			return "", fmt.Errorf("there is no key %q: the input has no keys", name)
		}
		return "", fmt.Errorf("there is no key %q: the input has %s", name, more(it.Names))
	}
	if j := slices.Index(it.Names[i+1:], name); j >= 0 {
		return "", fmt.Errorf("the key %q is not unique: it names columns %d and %d", name, i+1, i+j+2)
	}
	return it.Fields[i], nil
}

// JSON returns the record as one JSON value: an NDJSON record as it is, a CSV
// record as an object of strings, or an array of strings if its columns have no
// names, a group as an array too, a plain record as a string. JSON holds UTF-8 only, so that text in any
// other encoding is an error, and so are CSV columns of one name.
func (it Item) JSON() (json.RawMessage, error) {
	switch {
	case it.Format == NDJSON:
		return json.RawMessage(it.Text), nil
	case !utf8.ValidString(it.Text):
		return nil, errors.New("the record is not valid UTF-8 and cannot be written as JSON")
	case it.Fields == nil:
		return json.Marshal(it.Text)
	case it.Names == nil:
		return json.Marshal(it.Fields)
	}
	seen := make(map[string]bool, len(it.Names))
	b := bytes.NewBufferString("{")
	for i, name := range it.Names {
		if seen[name] {
			return nil, fmt.Errorf("two columns are named %q and cannot be members of one JSON object", name)
		}
		seen[name] = true
		if i > 0 {
			b.WriteByte(',')
		}
		for j, s := range []string{name, it.Fields[i]} {
			if j > 0 {
				b.WriteByte(':')
			}
			text, err := json.Marshal(s)
			if err != nil {
				return nil, err
			}
			b.Write(text)
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}
