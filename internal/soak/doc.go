// Soak drives a process pool with faults and judges what becomes of its calls.
//
//	go run ./internal/soak -for 60s -seed 1
//
// It is two processes of the same program. The driver makes pools of several shapes,
// submits calls without pause, and meanwhile has workers killed, stopped, confused and
// filled, on average every 20 ms: from outside by signals, and from inside by tasks. It
// tells the oracle, its parent, what it does and what it sees, on a pipe. The workers
// write a line to the start journal for each start of a task, without asking anybody.
// The oracle knows from the seed what each call should do, and so has its own opinion of
// every outcome.
//
// A call is innocent if no fault was aimed at it: it has no fault of its own, its driver
// did not cancel it nor limit its time, and no fault from outside, nor a call that ends
// its worker later, hit the process in which it died. No innocent call may fail. What
// else must hold is in judge.go.
//
// Everything random comes from the seed: what a call does follows from the seed and its
// number alone, the order of faults from the seed. When they strike depends on the
// machine.
package main
