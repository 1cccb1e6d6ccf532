package cli

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/go-braid/braid/strand"
	"github.com/go-braid/braid/threading"
)

func (a *app) tourCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "tour",
		Short: "Watch the textbook program run on the engines",
		Long: `Watch the textbook program: one strand prints numbers, another letters, a line a
second each. Ten seconds of work take five.`,
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

// tour runs the textbook program on two threads and says what is to be seen.
func tour(ctx context.Context, out, talk io.Writer) error {
	fmt.Fprintln(talk, "threading: two threads in one process, each waits a second before each of its five lines.")
	w := &syncWriter{w: out}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	began := strand.Now(ctx)
	say := func(lines ...string) func(context.Context) error {
		return func(ctx context.Context) error {
			for _, line := range lines {
				if err := strand.Sleep(ctx, time.Second); err != nil {
					return err
				}
				if _, err := fmt.Fprintln(w, line); err != nil {
					cancel(err)
					return err
				}
			}
			return nil
		}
	}
	numbers := threading.Go(ctx, "numbers", say("Thread 1: 0", "Thread 1: 1", "Thread 1: 2", "Thread 1: 3", "Thread 1: 4"))
	letters := threading.Go(ctx, "letters", say("Thread 2: A", "Thread 2: B", "Thread 2: C", "Thread 2: D", "Thread 2: E"))
	for _, t := range []*threading.Thread{numbers, letters} {
		_ = t.Join(context.WithoutCancel(ctx))
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if _, err := fmt.Fprintln(w, "Both threads have finished."); err != nil {
		return err
	}
	took := strand.Now(ctx).Sub(began)
	fmt.Fprintf(talk, "Ten seconds of waiting took %s, because the threads waited together.\n", brief(took))
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
