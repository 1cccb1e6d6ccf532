// Package threading runs tasks on goroutines of this process: a bounded [Pool]
// of them, or a single named [Thread].
//
// It is the engine to choose first. Tasks share memory, may block in any
// library, and keep all processors busy. It cannot stop a task that does not
// listen to its context, and a task that crashes the program (a fatal error of
// the runtime, a fault in C code) takes it along.
//
// A plain go statement is cheaper than a pool and needs no import. A pool earns
// its place when the number of tasks is not bounded by itself: it bounds how many
// run and how many wait, hands results, errors and panics home, and can be
// drained, resized and watched.
//
// A [Thread] is for what has a name and a life of its own: a reader, a printer, a
// background job. [Go] starts one now, [AfterFunc] later, [Every] one that works again
// and again. The program ends with main all the same; [JoinAll] at the end of main
// waits for all threads and returns their failures.
package threading
