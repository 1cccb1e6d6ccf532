package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/asyncio"
	"github.com/go-braid/braid/internal/command"
	"github.com/go-braid/braid/internal/input"
	"github.com/go-braid/braid/internal/template"
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
	slots    chan int                          // the numbers of free slots
	ran      func(seq int, out *commandResult) // told of each attempt that has ended; may be nil
}

func (w *commandWork) submit(ctx context.Context, ex braid.Executor, it input.Item, seq int, opts []braid.Option) (*braid.Future[any], error) {
	// The slot's number is not known yet; what else can be wrong with an input
	// is found out before it takes a place in the queue.
	if _, err := w.template.Expand(it, seq, 1); err != nil {
		return nil, err
	}
	opts = append(opts, braid.Name(w.name))
	attempt := 0
	run := func(ctx context.Context) (any, error) {
		attempt++ // one comes after the other
		slot := <-w.slots
		defer func() { w.slots <- slot }()
		args, err := w.template.Expand(it, seq, slot)
		if err != nil {
			return nil, err
		}
		out := &commandResult{args: args, attempt: attempt}
		out.Result, err = w.runner.Run(ctx, command.Command{Args: args})
		if w.ran != nil {
			w.ran(seq, out)
		}
		return out, err
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

func (w *commandWork) describe(it input.Item, seq int) (string, error) {
	args, err := w.template.Expand(it, seq, 1)
	if err != nil {
		return "", err
	}
	return template.Join(args), nil
}

// A commandResult is the result of a command: its outputs are in files until it
// is closed.
type commandResult struct {
	args    []string
	attempt int // from 1
	command.Result
}
