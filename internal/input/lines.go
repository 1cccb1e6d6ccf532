package input

import (
	"bufio"
	"io"
	"strings"
)

// readLines emits the records of r that one byte ends: those of all formats but
// CSV.
func readLines(cfg Config, name string, r *bufio.Reader, emit emitFunc) bool {
	end := byte('\n')
	if cfg.Format == NUL {
		end = 0
	}
	for line := 1; ; line++ {
		at := Item{Source: name, Line: line}
		text, err := readRecord(r, end)
		if err == io.EOF {
			return true
		}
		if err != nil {
			return failFile(emit, at, err)
		}
		it := Item{Text: text}
		if cfg.Format == NDJSON {
			if strings.Trim(text, " \t\r") == "" {
				continue
			}
			it, err = parseJSON(text)
		}
		it.Source, it.Line = at.Source, at.Line
		if !deliver(emit, cfg, it, err) {
			return false
		}
	}
}

// readRecord returns the bytes up to the end byte, without it and, if that is a
// newline, without the carriage return before it. It returns io.EOF when nothing
// is left.
func readRecord(r *bufio.Reader, end byte) (string, error) {
	s, err := r.ReadString(end)
	if err == io.EOF && s != "" {
		err = nil // the last one needs no end
	}
	if err != nil {
		return "", err
	}
	return trimEnd(s, end), nil
}

func trimEnd(s string, end byte) string {
	body, ended := strings.CutSuffix(s, string(rune(end)))
	if ended && end == '\n' {
		body = strings.TrimSuffix(body, "\r")
	}
	return body
}
