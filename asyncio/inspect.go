package asyncio

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/go-braid/braid/strand"
)

// A TaskInfo describes a coroutine at one moment.
type TaskInfo struct {
	// ID numbers the coroutines of a loop in the order of their start, from 1.
	ID uint64
	// Parent is the ID of the coroutine that started it: 0 if it came from
	// outside, or that coroutine has ended.
	Parent uint64
	// Name is the task's name; empty if it has none.
	Name string
	// Op is what the coroutine waits for; its Kind is OpNone if it can run.
	Op strand.Op
	// For is how long it has waited, by the loop's clock.
	For time.Duration
	// WaitsFor are the IDs of the coroutines of the loop that could let it go
	// on, as far as that is known: those that hold the lock, or the one that it
	// joins.
	WaitsFor []uint64
	// Func, File and Line say where in the program the coroutine is: the
	// innermost place outside braid. They are empty if it has not begun.
	Func, File string
	// Line is the line in File.
	Line int
}

// Tasks returns the coroutines of the loop that have not ended, in the order of
// their start. It may be called from any goroutine; it returns strand.Err(ctx) if
// ctx is done before the loop has found time for it. The stack of each coroutine
// is looked at, which takes a microsecond or two for each.
func (l *Loop) Tasks(ctx context.Context) ([]TaskInfo, error) {
	if current(ctx, l) != nil {
		return l.inspect(l.current()), nil
	}
	var infos []TaskInfo
	var done strand.Event
	_, ok := l.CallSoonThreadsafe(func() {
		infos = l.inspect(l.running)
		done.Set()
	})
	if !ok {
		return nil, nil // a loop that has ended has no coroutines
	}
	if err := done.Wait(ctx); err != nil {
		return nil, err
	}
	return infos, nil
}

// inspect describes the coroutines. W runs.
func (l *Loop) inspect(w *worker) []TaskInfo {
	byStrand := make(map[*strand.Strand]*Coroutine, l.alive.Len())
	byObject := make(map[any]*Coroutine)
	for n := l.alive.Front(); n != nil; n = n.Next() {
		c := n.Value
		byStrand[&c.self] = c
		byObject[c] = c
		if c.call != nil && c.call.call != nil {
			if o := c.call.call.Object(); o != nil {
				byObject[o] = c
			}
		}
	}
	now := l.clock()
	infos := make([]TaskInfo, 0, l.alive.Len())
	for n := l.alive.Front(); n != nil; n = n.Next() {
		c := n.Value
		i := TaskInfo{ID: c.id, Name: c.name}
		if p := c.parent; p != nil && !p.done.Load() {
			i.Parent = p.id
		}
		if o := c.worker; o != nil {
			if o.waits != nil {
				i.Op, i.For = o.op, time.Duration(now-o.since)
				i.WaitsFor = waitsFor(o.op, byStrand, byObject)
			}
			i.Func, i.File, i.Line = place(l.stackOf(w, c))
		}
		infos = append(infos, i)
	}
	return infos
}

// waitsFor returns the coroutines that could end a wait.
func waitsFor(op strand.Op, byStrand map[*strand.Strand]*Coroutine, byObject map[any]*Coroutine) []uint64 {
	if c, ok := byObject[op.Object]; ok {
		return []uint64{c.id}
	}
	var ids []uint64
	if h, ok := op.Object.(strand.Holder); ok {
		for _, s := range h.Holders() {
			if c, ok := byStrand[s]; ok {
				ids = append(ids, c.id)
			}
		}
	}
	return ids
}

// ours are the functions that a coroutine is in while it waits.
var ours = []string{
	"github.com/go-braid/braid.",
	"github.com/go-braid/braid/asyncio.",
	"github.com/go-braid/braid/engine.",
	"github.com/go-braid/braid/internal/",
	"github.com/go-braid/braid/strand.",
	"iter.Pull",
	"runtime.",
}

// place returns the innermost function of a stack that is not braid's.
func place(pcs []uintptr) (fn, file string, line int) {
	if len(pcs) == 0 {
		return "", "", 0
	}
	frames := runtime.CallersFrames(pcs)
	for {
		f, more := frames.Next()
		if !slices.ContainsFunc(ours, func(p string) bool { return strings.HasPrefix(f.Function, p) }) {
			return f.Function, f.File, f.Line
		}
		if !more {
			return "", "", 0
		}
	}
}

// String describes the coroutine in a line.
func (i TaskInfo) String() string {
	var b strings.Builder
	name := i.Name
	if name == "" {
		name = "coroutine"
	}
	fmt.Fprintf(&b, "%s %d: ", name, i.ID)
	switch {
	case i.Op.Kind != strand.OpNone:
		fmt.Fprintf(&b, "%v, for %v", i.Op, i.For.Round(time.Millisecond))
	case i.Func == "":
		b.WriteString("not begun")
	default:
		b.WriteString("can run")
	}
	if len(i.WaitsFor) > 0 {
		b.WriteString(", until")
		for k, id := range i.WaitsFor {
			if k > 0 {
				b.WriteString(" or")
			}
			fmt.Fprintf(&b, " %d", id)
		}
	}
	if i.Func != "" {
		fmt.Fprintf(&b, ", in %s at %s:%d", i.Func, i.File, i.Line)
	}
	return b.String()
}

// Dump writes the coroutines of l to out as a tree: below each one those that it has
// started, and what they wait for. It may be called from any goroutine, as
// [Loop.Tasks].
func Dump(ctx context.Context, l *Loop, out io.Writer) error {
	infos, err := l.Tasks(ctx)
	if err != nil {
		return err
	}
	_, err = io.WriteString(out, tree(l, infos))
	return err
}

func tree(l *Loop, infos []TaskInfo) string {
	children := make(map[uint64][]TaskInfo)
	for _, i := range infos {
		children[i.Parent] = append(children[i.Parent], i)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%v, %s\n", l, coroutines(int64(len(infos))))
	var write func(parent uint64, indent string)
	write = func(parent uint64, indent string) {
		of := children[parent]
		for k, i := range of {
			branch, below := "├─ ", "│  "
			if k == len(of)-1 {
				branch, below = "└─ ", "   "
			}
			fmt.Fprintf(&b, "%s%s%v\n", indent, branch, i)
			write(i.ID, indent+below)
		}
	}
	write(0, "")
	return b.String()
}
