// Package robust has what objects in shared memory need to outlive the processes that
// use them: a table of these processes, locks that the living take over from the dead,
// and lines of strands of all processes that wait. It needs Linux; elsewhere [Create]
// and [Open] return errors that match errors.ErrUnsupported.
//
// # Processes
//
// A process that opens an object takes a place in the object's table, its slot, with its
// [ID] in one step. All that belongs to one process, such as the permits that it holds,
// is kept under its slot. If it dies, whoever notices gives back what it had and frees
// the slot. A process opens an object once: all handles in it share one [Region].
//
// # Locks
//
// A lock is a word that holds the slot of its owner. To take the lock and to say who has
// it is the same step, so there is no moment at which a death goes unseen. Pthreads'
// robust mutexes, which the kernel looks after, belong to threads, and goroutines have
// none of their own. The word counts how often the lock was taken from the dead, so that
// two who find the same death cannot both take it.
//
// A process that is stopped by a signal is not dead, and keeps its locks. If that happens
// within the few instructions for which it holds a region's own lock, others that use the
// object block until it goes on.
//
// There are two kinds: the [Region]'s own, held for a few instructions, and [Mutex],
// which users hold as long as they like.
//
// # Steps
//
// A process can die between any two steps. So an object changes by one store to one word
// that counts, and what is prepared before it does not count until then. Where there is
// more to a change, [Object.Repair] finishes what the dead have begun.
//
// # Waiting
//
// Strands wait in a [Line]. Each process has one goroutine in the futex call for each
// line in which it has strands: it tries for them, in their order, whenever a change is
// announced, and also every [Slice], since who should have announced it may have died.
// So no announcement can be lost with the one who got it. What a strand waits for is
// given to it under the lock of the process's part of the line, under which it also
// leaves: a cancelled strand has got nothing, and one that has got something is not
// cancelled.
package robust
