package command

import "time"

// A Result is what became of a command that was started. It holds the spool
// files, so it is to be closed. The zero Result, of a command that was not
// started, can be closed too.
type Result struct {
	PID    int
	Code   int    // the exit code; -1 if a signal ended the command
	Signal string // the name of that signal, such as "SIGKILL"; empty if none did

	Started time.Time
	Wall    time.Duration // from just before the start until the end was seen
	User    time.Duration // CPU time in user mode, of the command and the children it waited for
	System  time.Duration // CPU time in the kernel, likewise

	// MaxRSS is the largest resident memory of the command or of any child it
	// waited for, in bytes; 0 where the system does not tell (Windows). On
	// Linux it is never less than what this process itself had at the start:
	// the kernel counts from before the program is loaded.
	MaxRSS int64

	// Leaked says that the command has ended, but a process that it left behind
	// can still write to its output: it had 100 ms to end as well. What it writes
	// later is not part of the output. Only Linux can tell.
	Leaked bool

	Stdout, Stderr *Output // what the command wrote; nil in the zero Result

	spool *spool
}

// Close gives the room of the outputs back, once those who read them are done.
// They cannot be read any more. A second Close does nothing.
func (r Result) Close() {
	if r.spool != nil {
		r.spool.recycle(r.Stdout)
		r.spool.recycle(r.Stderr)
	}
}
