package command

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"syscall"
)

// Why a command was not started, or was stopped, to be found with errors.Is.
var (
	ErrNotFound      = errors.New("command not found")
	ErrNotExecutable = errors.New("the file cannot be executed")
	ErrIsDirectory   = errors.New("it is a directory")
	ErrWorkingDir    = errors.New("bad working directory")
	ErrTooLong       = errors.New("argument list too long")
	ErrTerminated    = errors.New("the run was terminated")
	ErrKilled        = errors.New("the run was killed")
)

// A StartError says why a command was not started. Nothing of it has run.
type StartError struct {
	Name string // the program, as it was given
	Err  error  // one of the errors above, the system's error, or the cause of the context's end
	Hint string // what to do next; empty if nothing is known
}

// Error names the program, says what was wrong, and what to do next.
func (e *StartError) Error() string {
	s := fmt.Sprintf("cannot run %s: %v", display([]string{e.Name}), e.Err)
	if e.Hint != "" {
		s += ": " + e.Hint
	}
	return s
}

// Unwrap returns e.Err.
func (e *StartError) Unwrap() error { return e.Err }

// An ExitError says that a command ended otherwise than with exit code 0.
type ExitError struct {
	Args   []string
	Code   int    // the exit code; -1 if a signal ended the command
	Signal string // the name of that signal, such as "SIGKILL"; empty if none did
	Stderr string // the end of what it wrote to its standard error: whole lines, 4 KiB at most
}

// Error says in one line which command ended how, and its last words.
func (e *ExitError) Error() string {
	s := display(e.Args) + ": " + e.how()
	if last := lastLine(e.Stderr); last != "" {
		s += ": " + last
	}
	return s
}

func (e *ExitError) how() string {
	switch e.Signal {
	case "":
		return fmt.Sprintf("exit code %d", e.Code)
	case "SIGKILL":
		return "ended by SIGKILL (by hand, or by the system for want of memory)"
	}
	return "ended by " + e.Signal
}

// A StoppedError says that a command was stopped before its end.
type StoppedError struct {
	Args  []string
	Cause error      // the cause of the context's end, ErrTerminated or ErrKilled
	Exit  *ExitError // how the command ended; nil if with exit code 0
}

// Error says which command was stopped, and why.
func (e *StoppedError) Error() string {
	return fmt.Sprintf("%s: stopped: %v", display(e.Args), e.Cause)
}

// Stopped returns the cause: in the record of a run, a command that was stopped has not
// failed by itself.
func (e *StoppedError) Stopped() error { return e.Cause }

// Unwrap returns the cause, and how the command ended.
func (e *StoppedError) Unwrap() []error {
	if e.Exit == nil {
		return []error{e.Cause}
	}
	return []error{e.Cause, e.Exit}
}

// A SpoolError says that what a command wrote could not be kept, or may be
// incomplete, because the file system of the spool directory had no room. It
// matches syscall.ENOSPC.
type SpoolError struct {
	Args []string
	Dir  string // the spool directory
	Err  error  // how the command ended otherwise; nil if well
}

// Error says which directory is full, and what to do.
func (e *SpoolError) Error() string {
	s := fmt.Sprintf("%s: its output is incomplete: no space left for %s: make room there, or set TMPDIR to a directory on another file system",
		display(e.Args), e.Dir)
	if e.Err != nil {
		s += fmt.Sprintf(" (%v)", e.Err)
	}
	return s
}

// Unwrap returns syscall.ENOSPC, and how the command ended.
func (e *SpoolError) Unwrap() []error {
	if e.Err == nil {
		return []error{syscall.ENOSPC}
	}
	return []error{syscall.ENOSPC, e.Err}
}

// display returns the command line for an error message: quoted where a reader
// could not tell the arguments apart, without control characters, and cut short.
func display(args []string) string {
	const most = 120
	var b strings.Builder
	for i, arg := range args {
		if i > 0 {
			b.WriteByte(' ')
		}
		if b.Len() > most {
			break // an argument may be of any length
		}
		arg = printable(arg, most)
		if arg == "" || strings.ContainsAny(arg, " '\"\\$`|&;<>()*?[]#~{}") {
			arg = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
		}
		b.WriteString(arg)
	}
	return shorten(b.String(), most)
}

// lastLine returns the last line of s that is not blank, fit for one line of an
// error message.
func lastLine(s string) string {
	s = strings.TrimSpace(s)
	s = s[strings.LastIndexAny(s, "\r\n")+1:]
	return printable(strings.TrimSpace(s), 200)
}

// printable returns at most n characters of s, with control characters and
// invalid bytes replaced: a command's words must not drive the terminal.
func printable(s string, n int) string {
	var b strings.Builder
	for _, c := range s {
		if n--; n < 0 {
			b.WriteRune('…')
			break
		}
		if !strconv.IsPrint(c) {
			c = '�'
		}
		b.WriteRune(c)
	}
	return b.String()
}

func shorten(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n]) + "…"
	}
	return s
}
