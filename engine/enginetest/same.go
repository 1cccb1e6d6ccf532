package enginetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"pgregory.net/rapid"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/strand"
)

var sameRules = []rule{
	{"Flat", "a program of calls has the same outcome as on engine.Serial", 0, sameAsSerial(1)},
	{"Nested", "a program of calls within calls has the same outcome as on engine.Serial", nests, sameAsSerial(4)},
}

// sameAsSerial returns a check that runs random programs, of the given depth at
// most, on the engine and on the yardstick.
func sameAsSerial(depth int) func(*trial) {
	return func(t *trial) {
		e := t.open(Config{Workers: 2})
		serial := engine.NewSerial(nil)
		// Hidden in a struct, the trial is not known to be a *testing.T, whose
		// deadline there is no asking for in a bubble.
		rapid.Check(struct{ rapid.TB }{t.T}, func(r *rapid.T) {
			p := drawProgram(r, depth)
			want := p.outcome(serial)
			if got := p.outcome(e); got != want {
				r.Fatalf("the program\n\n%s\nhas the outcome %s; on engine.Serial it has %s", p, got, want)
			}
		})
		t.width(e, 2)
	}
}

// A program is a tree of operations, whose outcome does not depend on the order
// in which calls run: where several fail it matters that, but not which.
type program struct {
	op       string
	n        int
	programs []program
}

// The operations of a program. Those that are leaves come first.
var operations = []string{
	"value", "error", "panic", "yield", "sleep",
	"submit", "go", "retry", "timeout", "gather", "race", "map", "map unordered", "scope", "scope settled",
}

const leaves = 5

var errProgram = errors.New("a failure of the program")

func drawProgram(r *rapid.T, depth int) program {
	ops := operations
	if depth == 0 {
		ops = ops[:leaves]
	}
	p := program{op: rapid.SampledFrom(ops).Draw(r, "op"), n: rapid.IntRange(0, 9).Draw(r, "n")}
	children := 0
	switch p.op {
	case "go", "retry", "timeout":
		children = 1
	case "gather", "race", "map", "map unordered", "scope", "scope settled":
		children = rapid.IntRange(1, 5).Draw(r, "children")
	}
	for range children {
		p.programs = append(p.programs, drawProgram(r, depth-1))
	}
	return p
}

// String draws the tree.
func (p program) String() string {
	var b strings.Builder
	p.write(&b, "")
	return b.String()
}

func (p program) write(b *strings.Builder, indent string) {
	fmt.Fprintf(b, "%s%s %d\n", indent, p.op, p.n)
	for _, child := range p.programs {
		child.write(b, indent+"\t")
	}
}

// outcome runs p, with its children as calls on ex, and says what came of it.
func (p program) outcome(ex engine.Executor) string {
	v, err := p.start(context.Background(), nil, ex).Await(context.Background())
	switch err = failed(err); {
	case errors.Is(err, errProgram):
		return "failure"
	case err != nil:
		return "error " + err.Error() // none that the program makes
	}
	return fmt.Sprint("value ", v)
}

// failed makes what the failure of some part means for the whole: that it is a
// failure of the program, or what it should not have been.
func failed(err error) error {
	if pe, ok := errors.AsType[*braid.PanicError](err); ok && pe.Value == "program" {
		return errProgram
	}
	return err
}

// run runs p on the calling strand. Every child is a call on ex.
func (p program) run(ctx context.Context, ex engine.Executor) (int, error) {
	switch p.op {
	case "value":
		return p.n, nil
	case "error":
		return 0, errProgram
	case "panic":
		panic("program")
	case "yield":
		return p.n, strand.Yield(ctx)
	case "sleep":
		return p.n, strand.Sleep(ctx, time.Duration(p.n)*time.Microsecond)
	case "submit":
		return braid.Submit(ctx, ex, double, p.n).Await(ctx)
	case "go":
		v, err := p.programs[0].start(ctx, ex, ex).Await(ctx)
		return v + 1, failed(err)
	case "retry":
		return p.retry(ctx, ex)
	case "timeout":
		v, err := p.programs[0].start(ctx, ex, ex, braid.Timeout(time.Hour), braid.QueueTimeout(time.Hour)).Await(ctx)
		return v + 2, failed(err)
	case "gather":
		vs, err := braid.Gather(ctx, p.startAll(ctx, ex)...)
		return mix(vs), failed(err)
	case "race":
		return p.race(ctx, ex)
	case "map", "map unordered":
		return p.mapAll(ctx, ex)
	case "scope", "scope settled":
		return p.scope(ctx, ex)
	}
	panic("enginetest: no operation is called " + p.op)
}

// start starts p as a call on ex, and with its children on below.
func (p program) start(ctx context.Context, ex, below engine.Executor, opts ...braid.Option) *braid.Future[int] {
	return braid.Go(ctx, ex, func(ctx context.Context) (int, error) { return p.run(ctx, below) }, opts...)
}

func (p program) startAll(ctx context.Context, ex engine.Executor) []*braid.Future[int] {
	var futures []*braid.Future[int]
	for _, child := range p.programs {
		futures = append(futures, child.start(ctx, ex, ex))
	}
	return futures
}

// mix makes one value of many, on whose order it depends.
func mix(vs []int) int {
	sum := 0
	for _, v := range vs {
		sum = (31*sum + v) % 1_000_003
	}
	return sum
}

// retry has its child fail n%3 times before it is run, and counts the attempts.
func (p program) retry(ctx context.Context, ex engine.Executor) (int, error) {
	var attempts atomic.Int32
	v, err := braid.Go(ctx, ex, func(ctx context.Context) (int, error) {
		if int(attempts.Add(1)) <= p.n%3 {
			return 0, errors.New("not yet")
		}
		return p.programs[0].run(ctx, ex)
	}, braid.Retry(2), braid.Backoff(-1, 0), braid.RetryOn(func(err error) bool {
		return failed(err) != errProgram && !errors.Is(err, errProgram)
	})).Await(ctx)
	return 100*int(attempts.Load()) + v, failed(err)
}

// race races its children; who wins is open, that somebody does is not.
func (p program) race(ctx context.Context, ex engine.Executor) (int, error) {
	_, err := braid.Race(ctx, p.startAll(ctx, ex)...)
	return p.n, failed(err)
}

func (p program) mapAll(ctx context.Context, ex engine.Executor) (int, error) {
	task := braid.Func(func(ctx context.Context, child program) (int, error) { return child.run(ctx, ex) })
	ordered := p.op == "map"
	inputs := slices.Values(p.programs)
	var vs []int
	var failures int
	for v, err := range braid.Map(ctx, ex, task, inputs, braid.Ordered(ordered), braid.Limit(p.n%4)) {
		switch err := failed(err); {
		case err == nil:
			vs = append(vs, v)
		case errors.Is(err, errProgram):
			failures++
		default:
			return 0, err
		}
	}
	if !ordered {
		slices.Sort(vs)
	}
	return mix(append(vs, failures)), nil
}

// scope runs its children in a scope; they leave their values in places of their
// own. If the first failure ends the scope, only its children are calls of the
// group: what these start may fail, if they come to terms with that. If none
// does, all that is below are.
func (p program) scope(ctx context.Context, ex engine.Executor) (int, error) {
	join := braid.FailFast
	if p.op == "scope settled" {
		join = braid.Settle
	}
	vs := make([]int, len(p.programs))
	err := braid.Scope(ctx, ex, func(ctx context.Context, g *braid.Group) error {
		below := ex
		if join == braid.Settle {
			below = g
		}
		for i, child := range p.programs {
			braid.Go(ctx, g, func(ctx context.Context) (int, error) {
				v, err := child.run(ctx, below)
				if err == nil {
					vs[i] = v + 1
				}
				return 0, err
			})
		}
		return nil
	}, braid.Join(join))
	if join == braid.Settle {
		err = nil // the values of those that did not fail tell enough
	}
	return mix(vs), failed(err)
}
