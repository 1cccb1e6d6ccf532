package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// The lines between which -markdown writes.
const (
	markdownBegin = "<!-- measured: from here to the next such line, this text is made by bench -->\n"
	markdownEnd   = "<!-- measured: end -->\n"
)

// A markdownPlace is a text with a place for what was found.
type markdownPlace struct{ before, after []byte }

func findPlace(text []byte) (markdownPlace, error) {
	before, rest, begins := bytes.Cut(text, []byte(markdownBegin))
	_, after, ends := bytes.Cut(rest, []byte(markdownEnd))
	if !begins || !ends {
		return markdownPlace{}, fmt.Errorf("there is no place to write to: it needs the lines %q and %q", markdownBegin, markdownEnd)
	}
	return markdownPlace{bytes.Clone(before), bytes.Clone(after)}, nil
}

// writeMarkdown writes the text with the machine and a table for each suite.
func (p markdownPlace) writeMarkdown(w io.Writer, found results) error {
	var b strings.Builder
	b.Write(p.before)
	b.WriteString(markdownBegin + "\n")
	for _, f := range found.machine.facts() {
		fmt.Fprintf(&b, "- %s: %s\n", f[0], escape(f[1]))
	}
	for rows := range chunked(found.rows, func(a, b row) bool { return a.suite == b.suite }) {
		fmt.Fprintf(&b, "\n### %s\n\n", rows[0].suite)
		b.WriteString("| case | braid | ± | peer | | ± | ratio | 95 % | verdict |\n|---|--:|--:|---|--:|--:|--:|---|---|\n")
		for _, r := range rows {
			c := r.cells()
			fmt.Fprintf(&b, "| %s |\n", strings.Join([]string{
				escape(r.name), c.braid, c.braidSpread, escape(r.peer), c.value, c.spread, c.ratio, c.interval, c.verdict,
			}, " | "))
		}
	}
	b.WriteString("\n" + markdownEnd)
	b.Write(p.after)
	_, err := io.WriteString(w, b.String())
	return err
}

// escape makes a text one that Markdown shows as it is, in a cell of a table too.
func escape(text string) string {
	return strings.NewReplacer("|", `\|`, "*", `\*`, "_", `\_`, "<", "&lt;", "\n", " ").Replace(text)
}
