// Package usage tells what this process has used, and those that it has started:
// processor time and memory. Every function returns at once, and costs little enough
// to be called twenty times a second or around each task.
//
// A platform defines processTime, childrenTime, peak, resetPeak, timeOfPID,
// peakOfPID and resetPeakOfPID.
package usage

import (
	"errors"
	"fmt"
	"time"
)

// Usage is the processor time that one or more processes have used, on all
// processors together: two busy processors use two seconds a second.
type Usage struct {
	User   time.Duration // in the program's own code
	System time.Duration // in the operating system on the program's behalf
}

// CPU returns User and System together.
func (u Usage) CPU() time.Duration { return u.User + u.System }

// Sub returns what was used since before, an earlier Usage of the same processes.
func (u Usage) Sub(before Usage) Usage {
	return Usage{User: u.User - before.User, System: u.System - before.System}
}

// Self returns what this process has used since it started, all its threads
// together. It is false where the system does not tell. On Windows the time
// moves in steps of about 16 ms.
func Self() (Usage, bool) { return processTime() }

// Children returns what the children of this process have used, and theirs in
// turn, of those that have ended and been waited for: one that is still running
// counts for nothing. It is false where the system does not tell, as Windows.
func Children() (Usage, bool) { return childrenTime() }

// Peak returns the most memory that this process has held at one time, in bytes,
// since it started or since the last [ResetPeak] that succeeded. Memory held is
// what occupies the machine's memory (the resident set), with the stacks, the
// code and the free heap of Go's runtime. The system counts in pages and for each
// processor apart, so the number may be off by some hundred KiB. It is false
// where the system does not tell.
func Peak() (bytes int64, ok bool) { return peak() }

// ResetPeak has [Peak] begin again with what is held now. The peak is one for the
// whole process: whoever resets it does so for everybody. Only Linux can do it;
// elsewhere, or where the system forbids it, the result is an error that matches
// [errors.ErrUnsupported], and Peak goes on to count from the start of the
// process.
func ResetPeak() error {
	if err := resetPeak(); err != nil {
		return &resetError{err}
	}
	return nil
}

// OfPID returns the processor time that another process has used, all its threads
// together, and its peak as [Peak] has it. The process must be one of ours that has
// not been waited for, or the number may be another's. Only Linux tells; elsewhere,
// or if the process is gone, it is false.
func OfPID(pid int) (cpu time.Duration, peak int64, ok bool) {
	cpu, ok = timeOfPID(pid)
	if !ok {
		return 0, 0, false
	}
	peak, _ = peakOfPID(pid) // one that has just ended has none any more
	return cpu, peak, true
}

// ResetPeakOfPID is [ResetPeak] for another process.
func ResetPeakOfPID(pid int) error {
	if err := resetPeakOfPID(pid); err != nil {
		return &resetError{err}
	}
	return nil
}

type resetError struct{ err error }

func (e *resetError) Error() string {
	return fmt.Sprintf("the peak of memory cannot be reset, and counts from the start of the process: %v", e.err)
}

func (e *resetError) Unwrap() []error { return []error{errors.ErrUnsupported, e.err} }
