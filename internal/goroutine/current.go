// Package goroutine tells goroutines apart.
//
// A context says which strand it belongs to, but anybody may carry it to another
// goroutine with a bare go statement. Where a mistake about that would corrupt memory,
// such as at the end of a queue that only its owner may touch, the owner has to be
// sure that it is he who calls.
package goroutine

// An ID is the identity of a living goroutine. Two goroutines that are alive at the same
// time have different ones; after the end of one, a later one may get the same. The zero
// ID is none.
type ID uintptr

// Current returns the identity of the calling goroutine, or 0 on an architecture on
// which it cannot be told. It takes about a nanosecond.
//
// It is the address of the runtime's record of the goroutine, which the compiler keeps
// at hand. Nothing is read through it.
func Current() ID { return current() }
