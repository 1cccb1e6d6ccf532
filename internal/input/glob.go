package input

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// globItems emits the files that g matches and reports whether to go on.
func globItems(ctx context.Context, g *glob, emit emitFunc) bool {
	w := walker{ctx: ctx, glob: g, emit: emit}
	var roots []string
	for _, alt := range g.alts {
		if !slices.Contains(roots, alt.root) {
			roots = append(roots, alt.root)
		}
	}
	for _, root := range roots {
		var states []state
		for i, alt := range g.alts {
			if alt.root == root {
				states = g.enter(states, state{i, 0})
			}
		}
		if !w.walk(root, states) {
			return false
		}
	}
	if w.matches > 0 || w.failed {
		return true
	}
	hint := "only regular files match, names that start with a dot only when the pattern says so, and ** reaches into directories; check it with ls"
	if strings.HasPrefix(g.pattern, "~") {
		hint = `write "$HOME" for ~, which only the shell expands, and only outside quotes`
	}
	return emit.fail(Item{Source: g.pattern}, errors.New("the pattern matches no file"), hint)
}

// A walker walks the directories that a glob leads to.
type walker struct {
	ctx     context.Context
	glob    *glob
	emit    emitFunc
	matches int
	failed  bool
}

// walk matches the entries of one directory against the states and reports
// whether to go on. The prefix is what stands before the names: "", or a path
// that ends in a separator.
func (w *walker) walk(prefix string, states []state) bool {
	if w.ctx.Err() != nil {
		return false
	}
	entries, ok := w.entries(prefix, states)
	if !ok {
		return false
	}
	for _, entry := range entries {
		if !w.visit(prefix+entry.Name(), entry, states) {
			return false
		}
	}
	return true
}

// visit deals with one entry and what is below it.
func (w *walker) visit(path string, entry fs.DirEntry, states []state) bool {
	mode := entry.Type()
	link := mode&fs.ModeSymlink != 0
	next, match := w.glob.step(states, entry.Name(), link)
	if len(next) == 0 && !match {
		return true
	}
	if link {
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ELOOP):
			return true // the link leads nowhere
		case err != nil:
			return w.fail(path, err)
		}
		mode = info.Mode().Type()
	}
	switch {
	case mode.IsDir() && len(next) > 0:
		return w.walk(path+"/", next)
	case mode.IsRegular() && match:
		w.matches++
		return w.emit(Item{Text: filepath.FromSlash(path), Source: w.glob.pattern, Line: w.matches}, nil)
	}
	return true
}

// entries returns the entries of a directory that the states may match, in
// lexical order. A directory is listed only where a wildcard asks for it, since
// many can be entered that cannot be listed.
func (w *walker) entries(prefix string, states []state) (entries []fs.DirEntry, ok bool) {
	listed := false
	if slices.ContainsFunc(states, func(s state) bool { return w.glob.at(s).kind != literal }) {
		dir := prefix
		if dir == "" {
			dir = "."
		}
		var err error
		entries, err = os.ReadDir(dir)
		listed = err == nil
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !w.fail(dir, err) {
			return nil, false
		}
	}
	for _, s := range states {
		seg := w.glob.at(s)
		if seg.kind != literal || listed && seg.text != "." && seg.text != ".." {
			continue // it is in the list if it is anywhere
		}
		named := func(e fs.DirEntry) bool { return e.Name() == seg.text }
		if slices.ContainsFunc(entries, named) {
			continue
		}
		info, err := os.Lstat(prefix + seg.text)
		switch {
		case err == nil:
			entries = append(entries, namedEntry{fs.FileInfoToDirEntry(info), seg.text})
		case errors.Is(err, fs.ErrNotExist):
		case !w.fail(prefix+seg.text, err):
			return nil, false
		}
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, true
}

// A namedEntry is an entry under the name it was looked up by: Lstat gives ".."
// and, on some systems, other spellings names of its own.
type namedEntry struct {
	fs.DirEntry
	name string
}

func (e namedEntry) Name() string { return e.name }

// fail emits an error about a path, and reports whether to go on.
func (w *walker) fail(path string, err error) bool {
	w.failed = true
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathErr.Err
	}
	hint := ""
	if errors.Is(err, fs.ErrPermission) {
		hint = "files below it are left out; check its permissions with ls -ld, or narrow the pattern"
	}
	path = filepath.FromSlash(path)
	return w.emit.fail(Item{Source: w.glob.pattern}, &fs.PathError{Op: "glob", Path: path, Err: err}, hint)
}
