//go:build race || invariants

package asyncio

import (
	"bytes"
	"runtime"
	"strconv"
	"sync/atomic"
)

// A guard knows which goroutine runs the loop. It costs too much to be there
// always.
type guard struct{ running atomic.Uint64 }

// enter says that w's goroutine, which calls it or is about to run, runs the loop.
func (g *guard) enter(w *worker) { g.running.Store(w.owner.id) }

// An owner is the goroutine of a worker.
type owner struct{ id uint64 }

// claim says that the calling goroutine is the worker's.
func (o *owner) claim() { o.id = goroutineID() }

// checkGoroutine panics if the calling goroutine is not the one that runs l.
func (l *Loop) checkGoroutine() {
	if l.guard.running.Load() != goroutineID() {
		panic(notOnLoop)
	}
}

// goroutineID returns the number of the calling goroutine. The runtime shows it in
// stack traces and nowhere else.
func goroutineID() uint64 {
	var buf [64]byte
	b := bytes.TrimPrefix(buf[:runtime.Stack(buf[:], false)], []byte("goroutine "))
	b, _, _ = bytes.Cut(b, []byte(" "))
	id, err := strconv.ParseUint(string(b), 10, 64)
	if err != nil {
		panic("asyncio: cannot read a goroutine's number: " + err.Error())
	}
	return id
}
