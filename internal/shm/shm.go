// Package shm is memory that several processes share: sealed files without names, and
// waiting for a word in them to change. It needs Linux; elsewhere all functions return
// errors that match errors.ErrUnsupported.
//
// Memory that is mapped is not the collector's: it holds no pointers, and is used
// until Close and not after.
package shm

import (
	"os"
	"sync"
	"time"
)

// Create makes a memory file of the given size, in bytes, all zero. It is sealed: nobody
// who has it can change its size, so that no access to a mapping of it can fail. Name
// is for people who look into /proc.
func Create(name string, size int64) (*os.File, error) { return create(name, size) }

// Check returns the size of a memory file that came from elsewhere, or an error if it
// is none, or not sealed.
func Check(f *os.File) (size int64, err error) { return check(f) }

// Identify returns numbers that tell f from all other files that are open on this machine,
// also if it was opened, or came from elsewhere, more than once.
func Identify(f *os.File) (device, inode uint64, err error) { return identify(f) }

// A Mapping is a memory file in the memory of this process.
type Mapping struct {
	b    []byte
	once sync.Once
	err  error
}

// Map maps a memory file, after it has checked it. F can be closed afterwards.
func Map(f *os.File) (*Mapping, error) { return mapFile(f, 1) }

// MapTwice maps a memory file, whose size must be a multiple of the page size, two
// times in a row: what is written beyond the end of the first copy appears at its
// beginning.
func MapTwice(f *os.File) (*Mapping, error) { return mapFile(f, 2) }

// Bytes returns the memory. It must not be used after Close.
func (m *Mapping) Bytes() []byte { return m.b }

// Close takes the mapping away. Calls after the first do nothing.
func (m *Mapping) Close() error {
	m.once.Do(func() {
		m.err = unmap(m.b)
		m.b = nil
	})
	return m.err
}

// Discard gives the pages of b, which is part of a mapping, back to the system: they are
// zero afterwards, for all who share them.
func Discard(b []byte) error { return discard(b) }

// FutexWait waits until somebody calls [FutexWake] for addr, which is in shared memory,
// if *addr is val; it may return earlier, without a reason. It returns
// os.ErrDeadlineExceeded after the timeout; a negative timeout is none. It blocks the
// thread.
func FutexWait(addr *uint32, val uint32, timeout time.Duration) error {
	return wait(addr, val, timeout)
}

// FutexWake wakes at most n of those that wait for addr, in all processes.
func FutexWake(addr *uint32, n int) error { return wake(addr, n) }
