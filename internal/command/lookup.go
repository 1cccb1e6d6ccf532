package command

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Check says whether a program can be run, by the error that Run would return
// for it: so a run can fail before its first input. A name without a path
// separator is looked up in the directories of this process's PATH. Any other
// is a path from this process's working directory, whatever Command.Dir is. A
// program that was found is not looked up again.
func (r *Runner) Check(name string) error {
	path, err := r.lookPath(name)
	if err != nil {
		return err
	}
	if interpreter, ok := missingInterpreter(path); ok {
		return &StartError{Name: name, Err: ErrNotExecutable, Hint: hintInterpreter(path, interpreter)}
	}
	return nil
}

// lookPath returns the absolute path of a program.
func (r *Runner) lookPath(name string) (string, error) {
	if path, ok := r.paths.Load(name); ok {
		return path.(string), nil
	}
	path, err := exec.LookPath(name)
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return "", explainLookup(name, err)
	}
	r.paths.Store(name, path)
	return path, nil
}

// explainLookup says why a program was not found, and what might help.
func explainLookup(name string, err error) *StartError {
	e := &StartError{Name: name, Err: ErrNotFound}
	info, statErr := os.Stat(name)
	isPath := filepath.Base(name) != name
	switch {
	case name == "":
		e.Hint = "its name is empty: give a program"
	case errors.Is(err, exec.ErrDot):
		e.Hint = "PATH has it only in the working directory: give " + here(name)
	case isPath && statErr == nil && info.IsDir():
		e.Err, e.Hint = ErrIsDirectory, "give a program in it"
	case isPath && statErr == nil:
		e.Err, e.Hint = ErrNotExecutable, hintNotExecutable(name)
	case isPath && !errors.Is(statErr, fs.ErrNotExist):
		e.Err, e.Hint = statErr, "give the path of a program"
	case isPath:
		e.Hint = "there is no such file: check the path, which starts at the working directory of this process"
	case hasSpace(name):
		e.Hint = "the words of a command are separate arguments: do not quote them together"
	case statErr == nil && !info.IsDir():
		e.Hint = "PATH does not have it, but the working directory does: give " + here(name)
	default:
		e.Hint = "PATH does not have it: check the spelling, install it, or give its path"
		if path := notExecutableInPath(name); path != "" {
			e.Err, e.Hint = ErrNotExecutable, hintNotExecutable(path)
		}
	}
	return e
}

func here(name string) string { return "." + string(filepath.Separator) + name }

func hasSpace(name string) bool { return strings.ContainsAny(name, " \t\n") }

// notExecutableInPath returns a file in PATH that would be the program, could
// it be executed.
func notExecutableInPath(name string) string {
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path
		}
	}
	return ""
}
