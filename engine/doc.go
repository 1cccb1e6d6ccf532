// Package engine is the contract between the vocabulary (package braid) and the
// engines that run tasks.
//
// A [Call] is one request to run one task. An [Executor] starts calls: it
// decides when and on which strand a call runs, and completes it exactly once.
// Everything else that engines have in common is here too, so that it exists
// once and means the same everywhere: what a call may ask for ([Policy]), how
// it fails ([TaskError] and what it wraps), what can be watched ([Listener]),
// panics, deadlines and retries.
//
// Who writes an engine implements one method, in three steps:
//
//	func (e *Engine) Start(ctx context.Context, c *engine.Call) {
//		ctx = c.Submit(ctx, &e.host) // says who runs the call, starts its queue deadline
//		…                            // wait for room, or c.Refuse(engine.ErrSaturated)
//		ctx, _ = strand.Enter(ctx)   // another strand, with an identity
//		go c.Run(ctx, worker)        // runs the body, ends the strand, completes the call
//	}
//
// (ctx carries the parker of the strand that submits. Whatever the engine starts
// with a go statement must not park in that strand's name: hence Enter, or a parker of
// the engine's own.)
//
// and shows with the suite in package enginetest that it keeps the contract.
//
// [Serial] and [Goroutines] are the two engines that need no machinery: one call
// after the other, and a goroutine for each.
package engine
