// Package strand is what a running task may do: sleep, yield, and wait for one
// another through locks, events, semaphores, barriers, queues and rate limiters.
//
// A strand is one line of execution, whoever runs it: a goroutine of its own, a
// task on a pool's goroutine, a coroutine on an event loop, a coroutine in a
// simulation. Code written against this package does not know which, and the
// same object can be shared by all of them at once.
//
// To park is to stop a strand until somebody wakes it. Everything here that
// waits does so in [Park] or [Sleep], and these ask the strand's [Parker], which
// travels in its context. A context without one means a plain goroutine. That
// is why every function that may wait takes the context of the strand that
// calls it, and why a strand that is started with a bare go statement should be
// given a context made by [Detach]: otherwise it would park in the name of the
// strand that started it.
//
// # Cancelling
//
// Cancelling is the context's, and level-triggered: a wait whose context is
// done fails, and so does the next one. An operation that need not wait
// succeeds without a look at the context, as in package sync. When a cancel and
// a wake-up meet, exactly one of them wins, and nothing is lost: a Lock that
// returns an error does not hold the mutex, a Put that returns an error has not
// put its item, a Get that returns an error has taken none.
//
// The error of a wait that was cut short matches both ctx.Err() and
// context.Cause(ctx) under errors.Is; see [Err].
//
// # Fairness
//
// Waiters are served strictly in the order of their arrival, and what they wait
// for is handed to them: a strand that arrives later cannot overtake one that
// waits. Three objects differ: an [RWMutex] lets in all waiting readers at once, those
// that a [Condition] notifies, in order, queue for its lock anew, and goroutines that
// wait for a [Mutex] can be overtaken for a millisecond.
//
// # Identity
//
// The strands that engines start have an identity, [Strand], that ends with them. A
// [Mutex] knows its owner by it and breaks when that ends without unlocking it, an
// [RLock] may be locked again by the strand that holds it, and a [Local] has a value
// for each strand. A goroutine that no engine has started gets an identity from
// [Enter].
package strand
