package template

import (
	"os"
	"path/filepath"
	"strings"
)

// An op takes a part of a path. The rules are those of GNU parallel, which looks
// at the text alone: {.} of .hidden is empty, {/} of dir/ is empty.
type op uint8

const (
	all   op = iota
	noExt    // .
	base     // /
	dir      // //
	stem     // /.
)

// scanOp reads the suffix of a placeholder.
func scanOp(s string) (op, string) {
	for _, suffix := range []struct {
		text string
		op   op
	}{{"//", dir}, {"/.", stem}, {"/", base}, {".", noExt}} {
		if rest, ok := strings.CutPrefix(s, suffix.text); ok {
			return suffix.op, rest
		}
	}
	return all, s
}

func (o op) apply(path string) string {
	switch o {
	case noExt:
		return trimExt(path)
	case base:
		return baseName(path)
	case dir:
		return dirName(path)
	case stem:
		return trimExt(baseName(path))
	}
	return path
}

// separators are the bytes that may separate directories.
var separators = func() string {
	if os.PathSeparator == '/' {
		return "/"
	}
	return "/" + string(os.PathSeparator)
}()

// trimExt cuts off the last dot of the base name and what follows it.
func trimExt(path string) string {
	if i := strings.LastIndexAny(path, "."+separators); i >= 0 && path[i] == '.' {
		return path[:i]
	}
	return path
}

// baseName returns what follows the last separator, or the volume.
func baseName(path string) string {
	path = path[len(filepath.VolumeName(path)):]
	return path[strings.LastIndexAny(path, separators)+1:]
}

// dirName returns what dirname(1) prints: separators at the end of the path do
// not count, the directory of a bare name is ".", and that of the root the root.
func dirName(path string) string {
	volume := path[:len(filepath.VolumeName(path))]
	path = strings.TrimPrefix(path, volume)
	trimmed := strings.TrimRight(path, separators)
	if trimmed == "" && path != "" {
		return volume + path[:1]
	}
	i := strings.LastIndexAny(trimmed, separators)
	if i < 0 {
		return volume + "."
	}
	trimmed = strings.TrimRight(trimmed[:i+1], separators)
	if trimmed == "" {
		return volume + path[:1]
	}
	return volume + trimmed
}
