// Package braid does many things at once, on the engine that suits the work: a
// task is defined once and runs on goroutines, in worker processes, on an event
// loop or on a cluster, without a change to it.
//
// # The model
//
// A [Task] is a function with a name, which [Define] gives it. An [Executor] is
// an engine that runs tasks; package threading has one. [Submit] hands a task
// and its argument to an engine and returns a [Future], which will hold the
// result. [Go] does the same with a closure. Where an Executor is asked for, nil
// means a goroutine for every call.
//
//	var digest = braid.Define("digest", func(ctx context.Context, path string) (string, error) { … })
//
//	pool := threading.NewPool(threading.Config{})
//	defer pool.Close(ctx)
//	for sum, err := range braid.Map(ctx, pool, digest, paths) { … }
//
// [Map] runs a task over a sequence of inputs, lazily and a bounded distance
// ahead. [Gather], [Race], [AsCompleted] and [Wait] bring futures together.
// [Scope] starts children that cannot outlive it.
//
// # Cancelling
//
// Cancelling is the context's. A task is asked to stop through its context, and
// is complete when it returns: nothing in Go can stop a goroutine that does not
// listen. The context that Submit gets bounds the task; the one that Await gets
// bounds only the waiting. To shield a task from the end of the caller's
// context, submit it with context.WithoutCancel(ctx).
//
// # Errors
//
// The error of a failed call is a [*TaskError]: which task, on which engine and
// worker, at which attempt. It wraps what happened, for errors.Is and
// errors.As: the task's own error, [*PanicError], [ErrNotStarted] with the
// reason, or the end of the context with its cause. A failure that nobody
// awaits is not silent: it goes to the engine's listener, or to slog.Default.
package braid
