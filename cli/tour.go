package cli

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/go-braid/braid/asyncio"
	"github.com/go-braid/braid/strand"
	"github.com/go-braid/braid/threading"
)

func (a *app) tourCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "tour",
		Short: "Watch the textbook program run on the engines",
		Long: `Watch the textbook program: one strand prints numbers, another letters, a line a
second each. Ten seconds of work take five, first on two threads and then on two
coroutines of an event loop.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			c := newControl()
			c.first = stageTerminate
			ctx, cancel := context.WithCancelCause(cmd.Context())
			defer cancel(nil)
			c.on(stageTerminate, func() { cancel(errTerminated) })
			defer c.watchSignals()()
			if err := tour(ctx, a.Out, a.Err); err != nil {
				if code, _ := c.reason(); code != 0 {
					return exit(code)
				}
				return outputError(err) // what else can fail
			}
			return nil
		},
	}
}

// tour runs the textbook program on threads and on an event loop, and says what
// is to be seen.
func tour(ctx context.Context, out, talk io.Writer) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	t := &guide{out: &syncWriter{w: out}, talk: talk, cancel: cancel}
	if err := t.threads(ctx); err != nil {
		return err
	}
	return t.coroutines(ctx)
}

// A guide shows the textbook program.
type guide struct {
	out    *syncWriter
	talk   io.Writer
	cancel context.CancelCauseFunc // ends the tour
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

// say returns the body of a strand: it prints a line for each character of what,
// and waits a second before each. Once nobody can read them, the tour ends.
func (g *guide) say(who, what string) func(context.Context) error {
	return func(ctx context.Context) error {
		for _, c := range what {
			if err := strand.Sleep(ctx, time.Second); err != nil {
				return err
			}
			if _, err := fmt.Fprintf(g.out, "%s%c\n", who, c); err != nil {
				g.cancel(err)
				return err
			}
		}
		return nil
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
