// Package command runs one command of a batch and says what happened.
//
// A [Runner] holds what the commands of a run share; [Runner.Run] runs one
// [Command], waits for it, and returns a [Result]: its exit status, its times,
// and what it wrote. How many run at once, in what order, and what follows a
// failure is the caller's.
//
// # Output
//
// Standard output and standard error are kept apart, and apart from those of
// any other command. Each goes to a file of its own in the spool directory,
// which has no name (or loses it before the command starts), and which the
// command gets as its descriptor. So nothing of this process stands between the
// command and its output: output larger than memory is no trouble, a process
// that the command leaves behind writes to its own command's file and to no
// other, and nothing is left in the directory even when this process is killed.
//
// That a spool file is a file, and neither a terminal nor a pipe, is visible to
// the command: most programs then write in blocks, and without colour.
//
// A command whose write failed because the spool directory was full may well
// end with success. So the room is tested after each command, and before an
// output gives its room back: all commands that ran at a moment at which there
// was none fail with a [*SpoolError]. What this cannot see is room that vanished
// and came back between two tests.
//
// # Stopping
//
// On Unix each command has a process group of its own: what it starts is
// stopped with it, and a Ctrl-C at the terminal reaches this process alone.
// Stopping goes by a [Sequence] of signals and waits with SIGKILL at its end.
// It starts when the context of the command is done or [Runner.Terminate] is
// called; [Runner.Kill] goes to its end at once. When the command itself has
// ended but others of its group have not, the sequence goes on for them, and
// Run waits. A group that was not stopped is left alone when its command ends:
// background processes live on.
//
// On Windows there are no groups and no signals to ask with: a stop kills the
// process of the command, and what it had started lives on.
//
// When this process is killed by SIGKILL, the running commands go on to their
// end, as those of xargs and make do. The parent-death signal of Linux is not
// used: it is sent when the thread that started the command ends, which in a Go
// program may be long before the process does, and it reaches the command but
// not what the command started, so that a pipeline would lose its shell and
// run on by halves.
package command

import "io"

// A Command is one command to run.
type Command struct {
	// Args is the name of the program and its arguments. The name is looked up
	// as [Runner.Check] says. No shell is involved: each argument reaches the
	// program as it is.
	Args []string

	// Env holds variables, as "NAME=value", that the command has beside those
	// of the Runner or instead of them.
	Env []string

	// Dir is the working directory; empty means that of this process. The
	// variable PWD follows it.
	Dir string

	// Stdin is the standard input; nil means an empty one. The command gets an
	// *os.File itself, which fits input of any length. Anything else is read to
	// its end into the spool before the command starts.
	Stdin io.Reader

	// Follow, if it is set, is handed what the command writes, while it runs, as
	// whole lines; at its end also a last line that lacks its newline, and then
	// Run returns. The calls for one command come one at a time, from any
	// goroutine. Lines can be written once, before Follow returns. The outputs of
	// the Result hold everything all the same.
	Follow func(s Stream, lines io.WriterTo)
}

// A Stream is one of the two outputs of a command.
type Stream uint8

// The outputs of a command.
const (
	Stdout Stream = iota + 1
	Stderr
)
