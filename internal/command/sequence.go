package command

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A Sequence says how a command is stopped: step by step, until it has ended.
// After the last step comes SIGKILL, always, so that an empty Sequence kills at
// once. A nil Sequence means [DefaultSequence].
//
// Its text form is that of the steps and the SIGKILL: "TERM,2s,KILL".
type Sequence []Step

// A Step of a Sequence sends a signal and waits for the command to end.
type Step struct {
	Signal syscall.Signal
	Wait   time.Duration
}

// DefaultSequence returns the usual way to stop a command: SIGTERM, two seconds
// to put things in order, SIGKILL.
func DefaultSequence() Sequence {
	return Sequence{{syscall.SIGTERM, 2 * time.Second}}
}

// ParseSequence reads the text form of a Sequence: signals, each followed by a
// time to wait, and KILL at the end. Signals are written with or without "SIG",
// in either case. A time is written as time.ParseDuration takes it; a bare
// number is one of milliseconds, as in GNU parallel's --term-seq.
func ParseSequence(s string) (Sequence, error) {
	seq, err := parseSequence(s)
	if err != nil {
		return nil, fmt.Errorf("kill sequence %q: %w: give signals, the time to wait after each, and KILL at the end, such as TERM,2s,KILL", s, err)
	}
	return seq, nil
}

func parseSequence(s string) (Sequence, error) {
	words := strings.Split(s, ",")
	seq := Sequence{}
	for len(words) > 0 {
		name := strings.TrimSpace(words[0])
		sig := signalNumber(name)
		switch {
		case name == "":
			return nil, errors.New("a signal is missing")
		case sig == 0:
			return nil, fmt.Errorf("no such signal: %q", name)
		case sig == syscall.SIGKILL && len(words) > 1:
			return nil, errors.New("nothing can follow KILL")
		case sig == syscall.SIGKILL:
			return seq, nil
		case len(words) == 1:
			return nil, fmt.Errorf("it ends with %s", name)
		}
		wait, err := parseWait(strings.TrimSpace(words[1]))
		if err != nil {
			return nil, err
		}
		seq = append(seq, Step{sig, wait})
		words = words[2:]
	}
	return nil, errors.New("it ends with a wait")
}

func parseWait(s string) (time.Duration, error) {
	if _, err := strconv.ParseUint(s, 10, 64); err == nil {
		s += "ms"
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("not a time to wait: %q", s)
	}
	return d, nil
}

// String returns the text form, which ParseSequence reads.
func (s Sequence) String() string {
	if s == nil {
		s = DefaultSequence()
	}
	var b strings.Builder
	for _, step := range s {
		fmt.Fprintf(&b, "%s,%v,", strings.TrimPrefix(signalName(step.Signal), "SIG"), step.Wait)
	}
	b.WriteString("KILL")
	return b.String()
}

// signalNumber returns the signal of a name such as "TERM" or "SIGTERM", or 0.
func signalNumber(name string) syscall.Signal {
	name = strings.ToUpper(name)
	if !strings.HasPrefix(name, "SIG") {
		name = "SIG" + name
	}
	return signalByName(name)
}

func (s Sequence) clone() Sequence {
	if s == nil {
		return DefaultSequence()
	}
	return slices.Clone(s)
}

// IsSignal reports whether there is a signal of that name, such as "SIGTERM", on this
// system.
func IsSignal(name string) bool { return signalNumber(name) != 0 }
