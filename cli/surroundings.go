package cli

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/go-braid/braid/internal/command"
	"github.com/go-braid/braid/internal/input"
	"github.com/go-braid/braid/internal/template"
	"github.com/go-braid/braid/internal/tracecontext"
)

// The variables that each command finds in its environment, documented in the help
// topic environment.
const (
	seqVariable     = "BRAID_SEQ"
	slotVariable    = "BRAID_SLOT"
	attemptVariable = "BRAID_ATTEMPT"
)

const environmentText = `
ENVIRONMENT
Each command after -- has the environment of this program, with

  BRAID_SEQ            the number of its input, from 1, as {#}
  BRAID_SLOT           the number of the slot that it runs in, from 1, as {%}:
                       no two that run at the same time have the same
  BRAID_ATTEMPT        which try this is, from 1; see --retries
  TRACEPARENT          the trace that it belongs to, and its own span, as the W3C
  TRACESTATE           recommendation "Trace Context" has it: programs that trace
                       with OpenTelemetry go on with it. The trace is that of this
                       program's own TRACEPARENT or, without one, new for each run
  PWD                  its working directory, if --workdir says which

--env NAME=VALUE, any number of times, sets others and wins over all of them. The
value may have placeholders:

  braid run --env 'OUT={.}.sorted' -- sh -c 'sort "$1" > "$OUT"' sh {} ::: *.txt

A command reads nothing, or the file that --stdin names, such as --stdin {}; that
name is relative to the directory of this program, whatever --workdir says.

If a value, --workdir or --stdin has a placeholder, {} is not added to a command
that has none.

This program itself heeds

  TMPDIR               where the outputs of commands are kept while they run
  NO_COLOR, CLICOLOR, CLICOLOR_FORCE, TERM
                       whether to colour what is said; --color wins
`

// surroundings are what a command finds around it beside its arguments.
type surroundings struct {
	vars  []variable
	dir   *template.Text // nil without --workdir
	stdin *template.Text // the name of a file; nil without --stdin
	trace tracecontext.Context
}

type variable struct {
	name  string
	value *template.Text
}

// filled reports whether the input reaches the command by them.
func (s *surroundings) filled() bool {
	return s.dir != nil && s.dir.Filled() || s.stdin != nil && s.stdin.Filled() ||
		slices.ContainsFunc(s.vars, func(v variable) bool { return v.value.Filled() })
}

// base returns the environment that all commands have: that of this process,
// without the trace that it is in itself, which may be malformed.
func (s *surroundings) base() []string {
	return slices.DeleteFunc(os.Environ(), func(kv string) bool {
		return strings.HasPrefix(kv, tracecontext.ParentVariable+"=") || strings.HasPrefix(kv, tracecontext.StateVariable+"=")
	})
}

// put gives the command its environment and its directory. Attempt 0 is for finding
// out whether they can be made for the input.
func (s *surroundings) put(c *command.Command, it input.Item, seq, slot, attempt int) (tracecontext.Context, error) {
	trace := s.trace.Child(seq, attempt)
	if attempt > 0 {
		c.Env = append(c.Env,
			seqVariable+"="+strconv.Itoa(seq),
			slotVariable+"="+strconv.Itoa(slot),
			attemptVariable+"="+strconv.Itoa(attempt))
		c.Env = append(c.Env, trace.Environ()...)
	}
	for _, v := range s.vars {
		value, err := v.value.Expand(it, seq, slot)
		if err == nil && strings.IndexByte(value, 0) >= 0 {
			err = fmt.Errorf("the value holds a NUL byte, which no variable can")
		}
		if err != nil {
			return trace, fmt.Errorf("--env %s: %w", v.name, err)
		}
		c.Env = append(c.Env, v.name+"="+value)
	}
	if s.dir != nil {
		var err error
		if c.Dir, err = s.dir.Expand(it, seq, slot); err != nil {
			return trace, fmt.Errorf("--workdir: %w", err)
		}
		if c.Dir == "" {
			return trace, fmt.Errorf("--workdir: it is empty for this input")
		}
	}
	return trace, nil
}

// open opens what the command is to read; nil if that is nothing. The file is named
// as this process sees it.
func (s *surroundings) open(it input.Item, seq, slot int) (*os.File, error) {
	if s.stdin == nil {
		return nil, nil
	}
	name, err := s.stdin.Expand(it, seq, slot)
	if err != nil {
		return nil, fmt.Errorf("--stdin: %w", err)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("--stdin %s: %w", name, unwrapPath(err))
	}
	return f, nil
}
