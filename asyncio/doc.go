// Package asyncio is an event loop: very many coroutines, one of which runs at a
// time.
//
//	err := asyncio.Run(ctx, func(ctx context.Context) error {
//		c := asyncio.Go(ctx, func(ctx context.Context) error {
//			return strand.Sleep(ctx, time.Second)
//		})
//		…
//		return c.Join(ctx)
//	})
//
// # Coroutines
//
// A coroutine is a plain function with a stack of its own. It runs until it waits
// for something: with the objects of package strand, for a future, another
// coroutine, a connection of this package. Then the next one that can run does, in
// the order in which they became ready. Between two waits nobody else runs, so
// coroutines share data without locks as long as they do not wait in between; a
// waiting costs tens of nanoseconds and no thread.
//
// The price is that a coroutine that computes for long, or blocks outside of package
// strand (a channel, a sync.Mutex, a file, a connection of package net), holds up all
// others. Such things belong in [ToThread]. A step that takes too long is reported
// with its stack: see [SlowStep].
//
// A coroutine is known by its context, which is handed to everything that waits. A
// goroutine that is started with a bare go statement is not on the loop: give it a
// context from strand.Detach. If it waits with the coroutine's own, the loop is
// corrupted; builds with -race or -tags invariants panic instead.
//
// # Loops
//
// [Run] makes a loop for the time that a function takes, as the main part of a
// program or of a test. [NewLoop] makes one that stays, fed from other goroutines: it
// is an engine for braid.Submit, braid.Go and braid.Map like a threading.Pool.
// Several loops in one program are independent, and may run at the same time.
//
// Cancelling, scopes, gathering and racing are those of package braid, and the same
// as on every engine: contexts are cancelled for good, and each wait says so.
//
// # From Python
//
// asyncio.run is [Run], create_task is [Go] or braid.Go, gather is braid.Gather,
// TaskGroup is braid.Scope, wait_for and timeout are context.WithTimeout, shield is
// context.WithoutCancel, to_thread is [ToThread], run_coroutine_threadsafe is braid.Go
// with a [Loop], call_soon and its relatives are methods of [Loop], and all_tasks is
// [Loop.Tasks]. Locks and queues are in package strand.
package asyncio
