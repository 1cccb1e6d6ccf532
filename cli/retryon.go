package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/internal/command"
)

// retryOnForm is what --retry-on takes, for people.
const retryOnForm = "kinds of failure with commas between them: exit, exit=CODE, exit=FROM-TO, signal, signal=NAME, timeout, start, crash, panic, error"

// parseRetryOn reads the value of --retry-on: which failures are worth another try.
func parseRetryOn(s string) (func(error) bool, error) {
	var any []func(error) bool
	for word := range strings.SplitSeq(s, ",") {
		f, err := parseFailure(strings.TrimSpace(word))
		if err != nil {
			return nil, usageError(fmt.Errorf("--retry-on %q: %w: it is %s", s, err, retryOnForm), "--retry-on exit=75,timeout,signal")
		}
		any = append(any, f)
	}
	return func(err error) bool {
		for _, f := range any {
			if f(err) {
				return true
			}
		}
		return false
	}, nil
}

// parseFailure reads one kind of failure.
func parseFailure(word string) (func(error) bool, error) {
	kind, value, valued := strings.Cut(word, "=")
	switch {
	case kind == "exit" && valued:
		from, to, err := parseCodes(value)
		if err != nil {
			return nil, err
		}
		return func(err error) bool {
			e := ended(err)
			return e != nil && e.Signal == "" && from <= e.Code && e.Code <= to
		}, nil
	case kind == "signal" && valued:
		name := strings.ToUpper(value)
		if !strings.HasPrefix(name, "SIG") {
			name = "SIG" + name
		}
		if !command.IsSignal(name) {
			return nil, fmt.Errorf("there is no signal %q", value)
		}
		return func(err error) bool {
			e := ended(err)
			return e != nil && e.Signal == name
		}, nil
	case valued:
		return nil, fmt.Errorf("%q takes no value", kind)
	}
	switch kind {
	case "exit":
		return func(err error) bool { e := ended(err); return e != nil && e.Signal == "" }, nil
	case "signal":
		return func(err error) bool { e := ended(err); return e != nil && e.Signal != "" }, nil
	case "timeout":
		return func(err error) bool { return errors.Is(err, context.DeadlineExceeded) }, nil
	case "start":
		return is[*command.StartError], nil
	case "crash":
		return is[*braid.CrashError], nil
	case "panic":
		return is[*braid.PanicError], nil
	case "error":
		return func(err error) bool { return !is[*braid.PanicError](err) && !is[*braid.CrashError](err) }, nil
	case "":
		return nil, errors.New("a kind of failure is missing")
	}
	return nil, fmt.Errorf("there is no kind of failure %q%s", kind,
		didYouMean(kind, []string{"exit", "signal", "timeout", "start", "crash", "panic", "error"}))
}

func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// ended returns how a command came to its own end; nil if it did not.
func ended(err error) *command.ExitError {
	if is[*command.StoppedError](err) {
		return nil // by us
	}
	e, _ := errors.AsType[*command.ExitError](err)
	return e
}

// parseCodes reads CODE or FROM-TO.
func parseCodes(s string) (from, to int, err error) {
	first, last, ranged := strings.Cut(s, "-")
	from, err = strconv.Atoi(first)
	to = from
	if err == nil && ranged {
		to, err = strconv.Atoi(last)
	}
	if err != nil || from < 1 || to < from || to > 255 {
		return 0, 0, fmt.Errorf("%q is no exit code from 1 to 255, nor a range of them", s)
	}
	return from, to, nil
}
