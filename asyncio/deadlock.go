package asyncio

import (
	"errors"
	"fmt"
	"strings"
)

// ErrDeadlock is what every [DeadlockError] matches.
var ErrDeadlock = errors.New("asyncio: deadlock")

// A DeadlockError says that nothing can ever wake the coroutines of a loop: none
// can run, no timer is set, no context has a deadline, no descriptor is waited for, and
// no function runs elsewhere on behalf of the loop. What a loop cannot know is whether a goroutine
// that it has not started holds an object that its coroutines wait for; therefore it
// waits for Config.DeadlockAfter before it says so, and does not judge again once it
// was woken by surprise. Who shares objects with a loop in this way says so: see
// [Shared].
//
// [Run] returns it, after the coroutines were cancelled with it as the cause. A loop
// from [NewLoop] never judges: anybody may submit a call.
type DeadlockError struct {
	// Loop is the name of the loop.
	Loop string
	// Tasks are the coroutines, and whom they wait for.
	Tasks []TaskInfo
	// Cycle is a circle of coroutines each of which waits for the next, by their
	// IDs; nil if none is known.
	Cycle []uint64
}

// Error describes the wait-for graph, a coroutine a line.
func (e *DeadlockError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "asyncio: deadlock: nothing can wake %s of loop %s", coroutines(int64(len(e.Tasks))), e.Loop)
	for _, i := range e.Tasks {
		fmt.Fprintf(&b, "\n\t%v", i)
	}
	if e.Cycle != nil {
		b.WriteString("\n\tcycle: ")
		for _, id := range e.Cycle {
			fmt.Fprintf(&b, "%d waits for ", id)
		}
		fmt.Fprintf(&b, "%d", e.Cycle[0])
	}
	b.WriteString("\n\tif goroutines outside of the loop wake these coroutines, say so with asyncio.Shared")
	return b.String()
}

// Is reports whether target is [ErrDeadlock].
func (e *DeadlockError) Is(target error) bool { return target == ErrDeadlock }

// stuck reports whether nothing that the loop knows of can wake it.
func (l *Loop) stuck() bool {
	return !l.cfg.Shared && l.cfg.DeadlockAfter > 0 && l.alive.Len() > 0 && !l.end.cancelled &&
		!l.awaitsOutside() && !l.awaitsDeadline()
}

// deadlocked ends a loop that nothing can wake. W runs.
func (l *Loop) deadlocked(w *worker) {
	e := &DeadlockError{Loop: l.cfg.Name, Tasks: l.inspect(w)}
	e.Cycle = cycle(e.Tasks)
	l.deadlock = e
	l.cancelAll(e)
}

// cycle finds a circle in the graph of who waits for whom.
func cycle(infos []TaskInfo) []uint64 {
	edges := make(map[uint64][]uint64, len(infos))
	for _, i := range infos {
		edges[i.ID] = i.WaitsFor
	}
	const (
		onPath = 1 + iota
		finished
	)
	state := make(map[uint64]int, len(infos))
	var path, found []uint64
	var visit func(id uint64) bool
	visit = func(id uint64) bool {
		switch state[id] {
		case finished:
			return false
		case onPath:
			for k, p := range path {
				if p == id {
					found = path[k:]
				}
			}
			return true
		}
		state[id] = onPath
		path = append(path, id)
		for _, next := range edges[id] {
			if visit(next) {
				return true
			}
		}
		path = path[:len(path)-1]
		state[id] = finished
		return false
	}
	for _, i := range infos {
		if visit(i.ID) {
			return found
		}
	}
	return nil
}
