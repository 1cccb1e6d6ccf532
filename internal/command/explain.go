package command

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// explain says why a program that was looked up could not be started.
func explain(c Command, path string, env []string, err error) *StartError {
	e := &StartError{Name: c.Args[0], Err: err}
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		e.Err = pathErr.Err // the operation and the path say nothing new
	}
	if i := slices.IndexFunc(c.Args, hasNUL); i >= 0 {
		e.Hint = fmt.Sprintf("argument %d has a NUL byte, which no command can be given: pass it by standard input or in a file", i)
		return e
	}
	if slices.ContainsFunc(c.Env, hasNUL) {
		e.Hint = "a variable of its environment has a NUL byte"
		return e
	}
	if hint := badDir(c.Dir); hint != "" {
		e.Err, e.Hint = ErrWorkingDir, hint
		return e
	}
	switch {
	case isAny(err, errsTooLong):
		e.Err, e.Hint = ErrTooLong, hintTooLong(c.Args, environ(env, c.Env, c.Dir))
	case isAny(err, errsBadFormat):
		e.Err = ErrNotExecutable
		e.Hint = fmt.Sprintf("%s is not a program for this machine: if it is a script, start it with a line such as #!/bin/sh", path)
	case errors.Is(err, fs.ErrNotExist):
		if interpreter, ok := missingInterpreter(path); ok {
			e.Err, e.Hint = ErrNotExecutable, hintInterpreter(path, interpreter)
		} else if _, statErr := os.Stat(path); statErr == nil {
			e.Err, e.Hint = ErrNotExecutable, fmt.Sprintf("%s needs a loader or library that does not exist here", path)
		} else {
			e.Err, e.Hint = ErrNotFound, fmt.Sprintf("%s is gone since it was looked up", path)
		}
	case errors.Is(err, fs.ErrPermission):
		e.Err, e.Hint = ErrNotExecutable, hintNotExecutable(path)
	case isAny(err, errsTooManyFiles):
		e.Hint = hintFiles
	case isAny(err, errsTooManyProcesses):
		e.Hint = "the system lets no more processes start: run fewer at once, or raise the limit (ulimit -u, or that of the container)"
	}
	return e
}

// isAny reports whether err is one of the list.
func isAny(err error, list []error) bool {
	return slices.ContainsFunc(list, func(target error) bool { return errors.Is(err, target) })
}

const hintFiles = "too many files are open: run fewer commands at once, or raise the limit (ulimit -n)"

func hasNUL(s string) bool { return strings.IndexByte(s, 0) >= 0 }

// badDir says what is wrong with a working directory; nothing, if it is good.
func badDir(dir string) string {
	if dir == "" {
		return ""
	}
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Sprintf("%s does not exist: make it first", dir)
	case err != nil:
		return err.Error()
	case !info.IsDir():
		return fmt.Sprintf("%s is not a directory", dir)
	}
	if _, err := os.Stat(dir + string(filepath.Separator) + "."); err != nil {
		return fmt.Sprintf("%s cannot be entered: its permissions do not allow it", dir)
	}
	return ""
}

func hintNotExecutable(path string) string {
	info, err := os.Stat(path)
	if err == nil && info.Mode()&0o111 == 0 {
		return fmt.Sprintf("make it executable (chmod +x %s), or give its interpreter as the command", path)
	}
	return fmt.Sprintf("%s may not be executed by this user, or lies on a file system mounted noexec", path)
}

// hintTooLong tells the sizes, and the argument that is to blame if one is.
func hintTooLong(args, env []string) string {
	const way = "pass the long value by standard input or in a file"
	var total, longest, where int
	for i, arg := range args {
		total += len(arg) + 1
		if len(arg) > longest {
			longest, where = len(arg), i
		}
	}
	var vars int
	for _, kv := range env {
		vars += len(kv) + 1
	}
	if longest >= maxArg {
		return fmt.Sprintf("argument %d has %d bytes, and the system takes less than %d in one: %s", where, longest, maxArg, way)
	}
	return fmt.Sprintf("%d bytes of arguments and %d of environment are more than the system takes: %s", total, vars, way)
}

// missingInterpreter returns the interpreter that the first line of a script
// names, if it does not exist.
func missingInterpreter(path string) (string, bool) {
	f, err := os.Open(path)
	if err != nil {
		return "", false
	}
	defer f.Close()
	head := make([]byte, 256) // as much as Linux looks at
	n, err := io.ReadFull(f, head)
	if err != nil && err != io.ErrUnexpectedEOF {
		return "", false
	}
	line, _, _ := bytes.Cut(head[:n], []byte("\n"))
	rest, ok := bytes.CutPrefix(line, []byte("#!"))
	words := bytes.Fields(rest)
	if !ok || len(words) == 0 {
		return "", false
	}
	// A carriage return is part of the name to the system.
	interpreter := string(words[0])
	if len(words) == 1 && bytes.HasSuffix(line, []byte("\r")) {
		interpreter += "\r"
	}
	if !filepath.IsAbs(interpreter) {
		return "", false
	}
	_, err = os.Stat(interpreter)
	return interpreter, errors.Is(err, fs.ErrNotExist)
}

func hintInterpreter(path, interpreter string) string {
	if name, ok := strings.CutSuffix(interpreter, "\r"); ok {
		return fmt.Sprintf("the first line of %s ends with a carriage return, which becomes part of %s: give it Unix line ends", path, name)
	}
	return fmt.Sprintf("the first line of %s asks for %s, which does not exist here", path, interpreter)
}
