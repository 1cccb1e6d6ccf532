// Package record keeps what happens in a run, as a log that is written while it
// runs and that people, pages and programs read: at once, later, or after a crash.
//
// The log is a file of lines, each a JSON object. A finished attempt at a call is
// one line, a [Span]; an attempt that still runs when the log is flushed has a
// [Start] line first. docs/record.md describes each line and key. What a version
// has written, all later ones read.
//
// To record what an engine does, give it the listener of a log:
//
//	pool := threading.NewPool(threading.Config{Listener: record.To("run.ndjson")})
//
// [Create] returns a [Log], to which a program can add more: its inputs, what
// commands used, marks, advice and a verdict. [Open] reads a log, also one that
// still grows, and a [Store] is a directory of logs, one for each run.
//
// # What it costs
//
// The strands that run calls only take a note of each attempt, in memory of their
// own worker; those of threads, unless somebody else listens as well, on an
// [engine.Track]. Of successes in a row they make lines, of many at once. A goroutine
// that is there while calls are does the rest and writes it all, at least five
// times a second. The notes that wait are bounded; what
// does not find room is counted, and the log says so in a [Dropped] line. If the log
// cannot be written, recording ends with one warning, and the run goes on.
package record
