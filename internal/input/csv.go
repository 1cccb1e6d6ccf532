package input

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
)

// readCSV emits the records of r.
func readCSV(cfg Config, name string, r *bufio.Reader, emit emitFunc) bool {
	raw := &recorder{r: r}
	cr := csv.NewReader(raw)
	cr.Comma = cfg.comma()
	cr.FieldsPerRecord = -1
	var header []string
	for {
		fields, err := cr.Read()
		if err == io.EOF {
			return true
		}
		at := Item{Source: name}
		if bad, ok := errors.AsType[*csv.ParseError](err); ok {
			at.Line = bad.StartLine
			raw.take(cr.InputOffset())
			wrong := describeCSV(bad)
			if !cfg.NoHeader && header == nil {
				return emit.fail(at, fmt.Errorf("in the header: %w", wrong.err), wrong.hint)
			}
			if !deliver(emit, cfg, at, wrong) {
				return false
			}
			continue
		}
		if err != nil {
			return failFile(emit, Item{Source: name}, err)
		}

		at.Line, _ = cr.FieldPos(0)
		text := raw.take(cr.InputOffset())
		if !cfg.NoHeader && header == nil {
			header = fields
			for i := range header {
				header[i] = strings.TrimSpace(header[i])
			}
			continue
		}
		if header != nil && len(fields) != len(header) {
			err := fmt.Errorf("the record's column count %d differs from the header's %d", len(fields), len(header))
			if !emit.fail(at, err, "check its quotes and separators; if the first record is no header, say so") {
				return false
			}
			continue
		}
		it := Item{Text: text, Fields: fields, Names: header, Format: CSV, Source: name, Line: at.Line}
		if !emit(it, nil) {
			return false
		}
	}
}

// parseCSV parses the single record of an argument, which has no header.
func parseCSV(text string, comma rune) (Item, error) {
	cr := csv.NewReader(strings.NewReader(text))
	cr.Comma = comma
	cr.FieldsPerRecord = -1
	fields, err := cr.Read()
	if bad, ok := errors.AsType[*csv.ParseError](err); ok {
		return Item{}, describeCSV(bad)
	}
	if err == io.EOF {
		fields = []string{""}
	} else if _, err := cr.Read(); err != io.EOF {
		return Item{}, &recordError{errors.New("the argument holds more than one CSV record"), "give each record as an argument of its own, or quote the column that holds a line end"}
	}
	return Item{Text: text, Fields: fields, Format: CSV}, nil
}

func describeCSV(bad *csv.ParseError) *recordError {
	at := fmt.Sprintf("line %d, column %d", bad.Line, bad.Column)
	switch {
	case errors.Is(bad, csv.ErrBareQuote):
		return &recordError{fmt.Errorf("not valid CSV: a quote inside an unquoted column (%s): %w", at, bad.Err), `quote the whole column and double the quotes in it: "12"" disk"`}
	case errors.Is(bad, csv.ErrQuote):
		return &recordError{fmt.Errorf("not valid CSV: a quoted column does not end well (%s): %w", at, bad.Err), `close it, and double the quotes in it: "12"" disk"`}
	}
	return &recordError{fmt.Errorf("not valid CSV (%s): %w", at, bad.Err), ""}
}

// A recorder keeps what a csv.Reader has read, so that a record can be given as
// it is written. The reader is ahead of its records by its buffer.
type recorder struct {
	r    io.Reader
	buf  []byte // what has been read and not yet taken, from pos on
	pos  int
	base int64 // offset in the input of buf[0]
}

// Read reads from the input and keeps a copy. What has been taken is dropped
// here, once a buffer and not once a record, and a record that spans buffers is
// moved once, so that the cost stays linear.
func (rec *recorder) Read(p []byte) (int, error) {
	if rec.pos > 0 {
		rec.buf = append(rec.buf[:0], rec.buf[rec.pos:]...)
		rec.base += int64(rec.pos)
		rec.pos = 0
	}
	n, err := rec.r.Read(p)
	rec.buf = append(rec.buf, p[:n]...)
	return n, err
}

// take returns the record that ends at the offset, without its end and without
// the empty lines before it.
func (rec *recorder) take(offset int64) string {
	end := int(offset - rec.base)
	text := string(rec.buf[rec.pos:end])
	rec.pos = end
	for {
		rest, ok := strings.CutPrefix(text, "\r\n")
		if !ok {
			rest, ok = strings.CutPrefix(text, "\n")
		}
		if !ok {
			break
		}
		text = rest
	}
	// The csv.Reader takes a carriage return at the very end for a line end too.
	return strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
}
