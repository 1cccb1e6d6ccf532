package cli

import (
	"bufio"
	"bytes"
	"io"
	"strings"

	"github.com/go-braid/braid/internal/input"
	"github.com/go-braid/braid/internal/template"
)

// tagWhole is what --tag without a value means: the input.
const tagWhole = "{}"

// A tagger makes what stands before each line of an input's output.
type tagger struct{ text *template.Text }

// tag returns the tag of an input and a tab. An input that lacks what the template
// asks for is tagged as a whole. The nil tagger makes none.
func (t *tagger) tag(it input.Item, seq, slot int) string {
	if t == nil {
		return ""
	}
	s, err := t.text.Expand(it, seq, slot)
	if err != nil {
		s = it.Text
	}
	return tagEscaper.Replace(s) + "\t"
}

// tagEscaper keeps a tag on its line and in its column.
var tagEscaper = strings.NewReplacer("\t", `\t`, "\n", `\n`, "\r", `\r`)

// A tagged is a text whose lines are written with a tag in front of each, and the
// last one with a newline behind it.
type tagged struct {
	tag  string
	text io.WriterTo
}

// WriteTo writes the lines to w.
func (t tagged) WriteTo(w io.Writer) (int64, error) {
	out, ok := w.(*bufio.Writer)
	if !ok {
		out = bufio.NewWriterSize(w, 64<<10)
	}
	lines := &lineWriter{out: out, tag: t.tag}
	n, err := t.text.WriteTo(lines)
	if err == nil && lines.inLine {
		err = out.WriteByte('\n')
	}
	if err == nil && !ok {
		err = out.Flush()
	}
	return n, err
}

// A lineWriter writes lines with a tag in front of each.
type lineWriter struct {
	out    *bufio.Writer
	tag    string
	inLine bool // the last line is not complete
}

func (w *lineWriter) Write(text []byte) (n int, err error) {
	for n < len(text) {
		if !w.inLine {
			w.inLine = true
			if _, err := w.out.WriteString(w.tag); err != nil {
				return n, err
			}
		}
		line := text[n:]
		if i := bytes.IndexByte(line, '\n'); i >= 0 {
			line = line[:i+1]
			w.inLine = false
		}
		m, err := w.out.Write(line)
		n += m
		if err != nil {
			return n, err
		}
	}
	return n, nil
}
