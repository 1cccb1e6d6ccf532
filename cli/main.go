package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/term"

	"github.com/go-braid/braid/multiprocessing"
)

// Main runs the command on the arguments and streams of the process, and exits
// with the code that it comes to. Call it last in main.
//
// In a worker process, which the engine processes starts from the same executable,
// Main serves calls instead. So what main does before is done in each worker, too;
// a call of multiprocessing.Main at the beginning keeps it from that.
func Main() {
	multiprocessing.Main()
	os.Exit(Run(context.Background(), os.Args[1:], Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
}

// Streams are what a command reads and writes. They are used by several
// goroutines, but each by one at a time.
type Streams struct {
	In  io.Reader // inputs, where the command line names no others
	Out io.Writer // the product: results, and nothing else
	Err io.Writer // all that there is to say about it
}

// Run runs the command with the given arguments, without its name, and returns
// its exit code; see "braid help exit-codes". While it works it handles the
// signals of an interactive program. It blocks until the work is done or ctx is
// over and what was running has ended.
//
// The engine processes, and with it the last part of the tour, needs a program that
// has called multiprocessing.Main, as Main does.
func Run(ctx context.Context, args []string, s Streams) int {
	a := &app{Streams: s, name: programName(), args: args}
	root := a.rootCommand()
	root.SetArgs(completeArgs(args))
	root.SetIn(s.In)
	root.SetOut(s.Out)
	root.SetErr(s.Err)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	var e *exitError
	if !errors.As(err, &e) {
		e = usageError(err, a.name+" --help") // cobra's own
		if _, ok := errors.AsType[*fs.PathError](err); ok {
			e = outputError(err) // of a completion script, for example
		}
	}
	a.explain(e)
	return e.code
}

// app is one run of the command.
type app struct {
	Streams
	name  string
	args  []string // the command line, without the name
	style style
}

func programName() string {
	return strings.TrimSuffix(filepath.Base(os.Args[0]), ".exe")
}

// explain writes an error and what to do about it.
func (a *app) explain(e *exitError) {
	if e.err == nil {
		return
	}
	fmt.Fprintf(a.Err, "%s: %s\n", a.name, strings.TrimPrefix(e.err.Error(), "braid: "))
	if e.try != "" {
		fmt.Fprintf(a.Err, "Try: %s\n", e.try)
	}
}

// isTerminal reports whether a stream is a terminal.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
