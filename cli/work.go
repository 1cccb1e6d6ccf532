package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/asyncio"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/internal/command"
	"github.com/go-braid/braid/internal/input"
	"github.com/go-braid/braid/internal/template"
	"github.com/go-braid/braid/internal/tracecontext"
)

// taskWork runs a task that was defined with braid.Define.
type taskWork struct {
	task braid.Definition
	args *converter
}

func newTaskWork(name string, set []string) (*taskWork, error) {
	task, ok := braid.Lookup(name)
	if !ok {
		return nil, unknownTask(name)
	}
	in, _ := task.Types()
	args, err := newConverter(in, set)
	if err != nil {
		return nil, usageError(fmt.Errorf("task %s: %w", name, err), "")
	}
	return &taskWork{task: task, args: args}, nil
}

func unknownTask(name string) error {
	var names []string
	for _, d := range tasks() {
		names = append(names, d.Name())
	}
	return usageError(fmt.Errorf("there is no task %q%s", name, didYouMean(name, names)),
		fmt.Sprintf("%s tasks, for a list; or, to run a command: %[1]s run -- %s {}", programName(), name))
}

func (w *taskWork) submit(ctx context.Context, ex braid.Executor, it input.Item, seq int, opts []braid.Option) (*braid.Future[any], error) {
	arg, err := w.args.convert(it)
	if err != nil {
		return nil, err
	}
	return w.task.SubmitAny(ctx, ex, arg, opts...), nil
}

func (w *taskWork) describe(it input.Item, seq int) (string, error) {
	if _, err := w.args.convert(it); err != nil {
		return "", err
	}
	return w.task.Name() + " " + template.Quote(it.Text), nil
}

// commandWork runs a command, made from a template.
type commandWork struct {
	template *template.Command
	runner   *command.Runner
	name     string
	slots    slots
	around   *surroundings
	limit    *medianLimit // of each attempt; nil is none
	watch    *memoryWatch // of the memory that is left; nil is none

	// Each of these may be nil.
	follow func(it input.Item, seq, slot int) func(command.Stream, io.WriterTo) // gets what a command writes while it runs
	ran    func(seq int, out *commandResult)                                    // told of each attempt that has ended
	keep   func(r *result) error                                                // and then this, which can make it fail
}

func (w *commandWork) submit(ctx context.Context, ex braid.Executor, it input.Item, seq int, opts []braid.Option) (*braid.Future[any], error) {
	// The slot's number is not known yet; what else can be wrong with an input
	// is found out before it takes a place in the queue.
	if _, err := w.template.Expand(it, seq, 1); err != nil {
		return nil, err
	}
	if _, err := w.around.put(&command.Command{}, it, seq, 1, 0); err != nil {
		return nil, err
	}
	opts = append(opts, braid.Name(w.name))
	attempt, last := 0, &commandResult{} // attempts come one after the other
	run := func(ctx context.Context) (any, error) {
		attempt++
		last.Close()
		slot := w.slots.take()
		defer w.slots.give(slot)
		last = &commandResult{attempt: attempt, slot: slot}
		return last, w.attempt(ctx, it, seq, last)
	}
	return braid.Go(ctx, ex, func(ctx context.Context) (any, error) {
		if asyncio.LoopOf(ctx) == nil {
			return run(ctx)
		}
		// To wait for a process would hold the loop: a goroutine does that, and
		// the coroutine waits for it, to its end.
		out, err := braid.Go(ctx, nil, run).Await(context.WithoutCancel(ctx))
		if e, ok := errors.AsType[*braid.TaskError](err); ok {
			err = e.Err // the task is the coroutine
		}
		return out, err
	}, opts...), nil
}

// attempt runs the command for an input once.
func (w *commandWork) attempt(ctx context.Context, it input.Item, seq int, out *commandResult) error {
	var err error
	if out.args, err = w.template.Expand(it, seq, out.slot); err != nil {
		return err
	}
	c := command.Command{Args: out.args}
	if out.trace, err = w.around.put(&c, it, seq, out.slot, out.attempt); err != nil {
		return err
	}
	stdin, err := w.around.open(it, seq, out.slot)
	if err != nil {
		return err
	}
	if stdin != nil {
		defer stdin.Close()
		c.Stdin = stdin
	}
	if w.follow != nil {
		c.Follow = w.follow(it, seq, out.slot)
	}
	ctx, leave := w.watch.enter(ctx, it.Text)
	defer leave()
	ctx, end := w.limit.bound(ctx, seq)
	out.Result, err = w.runner.Run(ctx, c)
	end(err)
	if e, ok := err.(*command.StoppedError); ok {
		// How it ended then is no failure of its own.
		err = &engine.InterruptedError{Err: e, Cause: e.Cause}
	}
	if w.ran != nil {
		w.ran(seq, out)
	}
	if w.keep != nil && !isPutBack(err) {
		r := &result{seq: seq, item: it, value: out, err: err, attempts: out.attempt, wall: out.Wall}
		if e := w.keep(r); e != nil {
			err = errors.Join(err, e)
		}
	}
	return err
}

func (w *commandWork) describe(it input.Item, seq int) (string, error) {
	args, err := w.template.Expand(it, seq, 1)
	if err != nil {
		return "", err
	}
	return template.Join(args), nil
}

// A commandResult is the result of an attempt at a command: its outputs are in files
// until it is closed.
type commandResult struct {
	args    []string
	attempt int // from 1
	slot    int // that it ran in, from 1
	trace   tracecontext.Context
	kept    bool // by results
	command.Result
}
