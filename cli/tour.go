package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/asyncio"
	"github.com/go-braid/braid/multiprocessing"
	"github.com/go-braid/braid/strand"
	"github.com/go-braid/braid/threading"
)

func (a *app) tourCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "tour",
		Short: "Watch the textbook program run on the engines",
		Long: `Watch the textbook program: one strand prints numbers, another letters, a line a
second each. Ten seconds of work take five, first on two threads, then on two
coroutines of an event loop, and then in two processes.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			c := newControl()
			c.first = stageTerminate
			ctx, cancel := context.WithCancelCause(cmd.Context())
			defer cancel(nil)
			c.on(stageTerminate, func() { cancel(errTerminated) })
			defer c.watchSignals()()
			err := tour(ctx, a.Out, a.Err, (*guide).threads, (*guide).coroutines, (*guide).processes)
			if err == nil {
				return nil
			}
			if code, _ := c.reason(); code != 0 {
				return exit(code)
			}
			if errors.Is(err, errNoProcess) {
				return &exitError{code: exitUsage, err: err}
			}
			return outputError(err) // what else can fail
		},
	}
}

// tour shows the textbook program on one engine after the other, and says what is to
// be seen.
func tour(ctx context.Context, out, talk io.Writer, parts ...func(*guide, context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	g := &guide{out: &syncWriter{w: out}, talk: talk, cancel: cancel, pause: time.Second}
	for _, part := range parts {
		if err := part(g, ctx); err != nil {
			return err
		}
	}
	return nil
}

// A guide shows the textbook program.
type guide struct {
	out    *syncWriter
	talk   io.Writer
	cancel context.CancelCauseFunc // ends the tour
	pause  time.Duration           // before each line
}

// threads runs it on two threads.
func (g *guide) threads(ctx context.Context) error {
	fmt.Fprintln(g.talk, "threading: two threads in one process, each waits a second before each of its five lines.")
	began := strand.Now(ctx)
	numbers := threading.Go(ctx, "numbers", g.say("Thread 1: ", "01234"))
	letters := threading.Go(ctx, "letters", g.say("Thread 2: ", "ABCDE"))
	for _, t := range []*threading.Thread{numbers, letters} {
		_ = t.Join(context.WithoutCancel(ctx))
	}
	return g.finish(ctx, began, "Both threads have finished.",
		"because the threads waited together. Which of them prints first in a second is chance.")
}

// coroutines runs it on two coroutines.
func (g *guide) coroutines(ctx context.Context) error {
	fmt.Fprintln(g.talk, "asyncio: two coroutines on one event loop; only one of them runs at any moment, until it waits.")
	began := strand.Now(ctx)
	_ = asyncio.Run(ctx, func(ctx context.Context) error {
		numbers := asyncio.Go(ctx, g.say("Async Task 1: ", "01234"))
		letters := asyncio.Go(ctx, g.say("Async Task 2: ", "ABCDE"))
		for _, c := range []*asyncio.Coroutine{numbers, letters} {
			_ = c.Join(context.WithoutCancel(ctx))
		}
		return nil
	})
	return g.finish(ctx, began, "Both coroutines have finished.",
		"on one thread. The order of the lines is the same each time.")
}

// processes runs it in two processes.
func (g *guide) processes(ctx context.Context) error {
	began := strand.Now(ctx)
	home := multiprocessing.With(multiprocessing.Config{Output: func(o multiprocessing.Output) {
		if _, err := fmt.Fprintln(g.out, o.Text); err != nil {
			g.cancel(err)
		}
	}})
	var ps []*multiprocessing.Process
	var failed error
	for _, l := range []lines{{"Process 1: ", "01234", g.pause}, {"Process 2: ", "ABCDE", g.pause}} {
		p, err := multiprocessing.Start(ctx, printing, l, home)
		if err != nil {
			failed = err
			break
		}
		ps = append(ps, p)
	}
	if failed == nil {
		fmt.Fprintf(g.talk, "multiprocessing: two processes of their own, %d and %d, print the lines; this one is %d.\n", ps[0].PID(), ps[1].PID(), os.Getpid())
	}
	for _, p := range ps {
		if failed != nil {
			p.Kill()
		}
		if err := p.Join(context.WithoutCancel(ctx)); failed == nil {
			failed = err
		}
	}
	if failed != nil && ctx.Err() == nil {
		return fmt.Errorf("%w: %w", errNoProcess, failed)
	}
	return g.finish(ctx, began, "Both processes have finished.",
		"and neither process could have harmed the other, or this one.")
}

// errNoProcess says that a part of the tour could not be shown.
var errNoProcess = errors.New("the tour ends here, without processes")

// lines are what a process of the tour prints.
type lines struct {
	Who, What string
	Pause     time.Duration
}

// printing is the task of a process of the tour.
var printing = braid.Define(tourTask, func(ctx context.Context, l lines) (struct{}, error) {
	return struct{}{}, l.print(ctx, os.Stdout)
})

// print prints a line for each character, and waits before each.
func (l lines) print(ctx context.Context, out io.Writer) error {
	for _, c := range l.What {
		if err := strand.Sleep(ctx, l.Pause); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(out, "%s%c\n", l.Who, c); err != nil {
			return err
		}
	}
	return nil
}

// say returns the body of a strand that prints lines. Once nobody can read them, the
// tour ends.
func (g *guide) say(who, what string) func(context.Context) error {
	return func(ctx context.Context) error {
		err := lines{who, what, g.pause}.print(ctx, g.out)
		if err != nil {
			g.cancel(err) // it is that of the output, unless the tour is over anyway
		}
		return err
	}
}

// finish ends a part of the tour: it says why it took as long as it did.
func (g *guide) finish(ctx context.Context, began time.Time, last, why string) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if _, err := fmt.Fprintln(g.out, last); err != nil {
		return err
	}
	fmt.Fprintf(g.talk, "Ten seconds of waiting took %s, %s\n", brief(strand.Now(ctx).Sub(began)), why)
	return nil
}

// syncWriter lets several strands write lines to one writer.
type syncWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (s *syncWriter) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(p)
}
