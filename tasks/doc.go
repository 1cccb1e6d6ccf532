// Package tasks has tasks that are of use as they are, and as a yardstick for
// engines. A program imports it for its effect to have them in its own command:
//
//	import _ "github.com/go-braid/braid/tasks"
//
// The tasks, each with what it takes and gives:
//
//	sha256  file      → Digest      the SHA-256 digest, as sha256sum prints it
//	gzip    GzipInput → Compressed  the file, compressed, below another folder
//	wc      file      → Count       lines, words and bytes, as wc prints them
//	fetch   URL       → Response    status, size and time of an HTTP request
//	sleep   duration  → Slept       waits, as an I/O-bound task does
//	spin    duration  → Spun        computes, as a CPU-bound task does
//
// All of them may run more than once for one call without harm, and are defined
// as [braid.Idempotent]. They stop soon after their context is done, with an
// error that matches the context's. The String method of a result is the line
// that a command prints for it. Where a result holds measurements, its method
// Fingerprint returns the rest: what must be the same on every engine.
//
// # Files
//
// The tasks that read files read regular ones, of any size, in pieces. Anything
// else, such as a pipe, is refused: a task that is tried again would read the
// rest of it only. Failures are of type [*FileError].
//
// # Durations
//
// Tasks that measure give the time on the clock of their engine as Wall. In JSON
// durations are whole nanoseconds. On the command line they are written as for
// [time.ParseDuration], or as a number of seconds, as for sleep(1).
package tasks
