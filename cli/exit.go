package cli

// The exit codes, documented in the help topic exit-codes. 2 is left out: it is
// what a crashing Go program exits with.
const (
	exitOK       = 0
	exitUsage    = 1   // the command line is wrong, or the command itself failed
	exitFailed   = 3   // some inputs failed
	exitNoInput  = 4   // there was nothing to do
	exitHalted   = 5   // stopped early: some inputs were not tried
	exitDeadline = 124 // --deadline was over
	exitSignal   = 128 // and the number of the signal

	exitInterrupted = exitSignal + 2 // as by SIGINT
)

const exitCodesText = `EXIT CODES
  0    every input succeeded
  1    the command line is wrong, or the command itself failed
  3    some inputs failed; each is named on standard error
  4    there was no input
  5    stopped early by --halt: some inputs were not tried, or not finished
  124  the --deadline was over
  130  stopped by an interrupt (Ctrl-C)
  141  the reader of the output went away
  143  stopped by SIGTERM

2 is not used: it is what a crashing Go program exits with. A code that is not
listed here is a failure.

With --exit-status the code of "run" says more about the inputs:
  any      as above (the default)
  first    the exit code of the first command that failed (3 if it has none)
  count    the number of inputs that failed, at most 101, as GNU parallel does
  max      the highest exit code of a command that failed (3 if none has one)
`

// An exitError ends the command with a code. Its err, if there is one, is
// written to standard error, and so is what to try next.
type exitError struct {
	code int
	err  error
	try  string
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// usageError says that the command line is wrong, and what would be right.
func usageError(err error, try string) *exitError {
	return &exitError{code: exitUsage, err: err, try: try}
}

// exit ends the command with a code and nothing more to say.
func exit(code int) error {
	if code == exitOK {
		return nil
	}
	return &exitError{code: code}
}
