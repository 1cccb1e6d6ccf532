package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
)

// results are what a run found, and all that a report is made of.
type results struct {
	machine machine
	rows    []row
}

// An output is a file that what was found is to be written to.
type output struct {
	file string
	to   func(w io.Writer, found results) error
}

// outputs returns the reports that are asked for. It fails before anything is
// measured if one of their files cannot be written.
func (o options) outputs() (outputs []output, err error) {
	if o.markdown != "" {
		text, err := os.ReadFile(o.markdown)
		if err != nil {
			return nil, err
		}
		place, err := findPlace(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", o.markdown, err)
		}
		outputs = append(outputs, output{o.markdown, place.writeMarkdown})
	}
	if o.json != "" {
		outputs = append(outputs, output{o.json, writeJSON})
	}
	if o.html != "" {
		outputs = append(outputs, output{o.html, writeHTML})
	}
	for _, out := range outputs {
		f, err := os.OpenFile(out.file, os.O_WRONLY|os.O_CREATE, 0o644)
		if err != nil {
			return nil, err
		}
		if err := f.Close(); err != nil {
			return nil, err
		}
	}
	return outputs, nil
}

// write writes what was found. What stood in the file is lost only if it could all
// be written.
func (o output) write(found results) error {
	var b bytes.Buffer
	if err := o.to(&b, found); err != nil {
		return fmt.Errorf("%s: %w", o.file, err)
	}
	return os.WriteFile(o.file, b.Bytes(), 0o644)
}
