// Package machine measures what the machine has left: memory that can be had, and work
// that waits for its processors. It is for those who start something and do not want to
// start too much.
package machine

import "errors"

// ErrUnknown is what a measure returns where the system does not tell.
var ErrUnknown = errors.New("this system does not tell")

// A Memory is what there is of memory, in bytes.
type Memory struct {
	// Available can be had without swapping: the least of what the kernel has for all
	// and of what is left to the control groups that this process is in. What a group
	// holds of files that can be read again counts as available, as it does for the
	// kernel.
	Available int64

	// Limit is the least limit of those groups; 0 if there is none.
	Limit int64

	// Total is what the machine has.
	Total int64
}

// A Load is how many threads of the whole machine want to run.
type Load struct {
	Running int // on a processor, or waiting for one; the thread that asks is left out
	Blocked int // waiting for a disk, as a rule
}

// Threads returns both together.
func (l Load) Threads() int { return l.Running + l.Blocked }

// A Quota is a bound on the processors that the control group of this process may use.
type Quota struct {
	Processors float64 // such as 1.5; 0 is without a bound
}

// ReadMemory measures memory. It takes some ten microseconds. Where the system does not
// tell, the error is ErrUnknown.
func ReadMemory() (Memory, error) { return system.memory() }

// ReadLoad counts the threads that want to run, at this moment; who wants to know more
// than a moment asks several times. Where the system does not tell, as a container may
// not, the error is ErrUnknown.
func ReadLoad() (Load, error) { return system.load() }

// ReadQuota returns the bound on processors, or ErrUnknown.
func ReadQuota() (Quota, error) { return system.quota() }
