package export

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/asyncio"
	"github.com/go-braid/braid/multiprocessing"
	"github.com/go-braid/braid/record"
	"github.com/go-braid/braid/strand"
	"github.com/go-braid/braid/threading"
)

// fragile ends the process that runs it, if its argument is 0.
var fragile = braid.Define("fragile", func(_ context.Context, i int) (int, error) {
	if i == 0 {
		os.Exit(9)
	}
	return i, nil
})

// runCalls is how many calls recordRun makes on threads, and on coroutines.
const runCalls = 200

// recordRun returns the record of engines at work: threads and coroutines, with tasks that wait
// for others of their own pool, fail and are repeated, and processes, of which one dies.
func recordRun(t *testing.T) []byte {
	t.Helper()
	const n = runCalls
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "run.ndjson")
	log, err := record.Create(path, record.Run{Name: "test"}, record.Config{})
	if err != nil {
		t.Fatal(err)
	}
	pool := threading.NewPool(threading.Config{Workers: 3, Listener: log.Listener(record.Engine{Kind: "threads", Limit: 3})})
	loop := asyncio.NewLoop(asyncio.Config{Listener: log.Listener(record.Engine{Kind: "async"})})
	inner := braid.Func(func(_ context.Context, i int) (int, error) { return i, nil }, braid.Name("inner"))
	errOdd := errors.New("odd")
	outer := func(ex braid.Executor) *braid.Task[int, int] {
		return braid.Func(func(ctx context.Context, i int) (int, error) {
			if i%2 == 1 {
				return 0, errOdd
			}
			if err := strand.Sleep(ctx, time.Microsecond); err != nil {
				return 0, err
			}
			return braid.Submit(ctx, ex, inner, i).Await(ctx)
		}, braid.Name("outer"), braid.Retry(1), braid.Backoff(-1, 0))
	}
	for _, ex := range []interface {
		braid.Executor
		Close(context.Context) error
	}{pool, loop} {
		task := outer(ex)
		var fs []*braid.Future[int]
		for i := range n {
			fs = append(fs, braid.Submit(ctx, ex, task, i, braid.Index(i)))
		}
		for i, f := range fs {
			if _, err := f.Await(ctx); (err != nil) != (i%2 == 1) || err != nil && !errors.Is(err, errOdd) {
				t.Errorf("call %d: %v", i, err)
			}
		}
		if err := ex.Close(ctx); err != nil {
			t.Error(err)
		}
	}
	processes, err := multiprocessing.NewPool(multiprocessing.Config{Workers: 2, Listener: log.Listener(record.Engine{Kind: "processes", Limit: 2})})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		_, err := braid.Submit(ctx, processes, fragile, i, braid.Index(i)).Await(ctx)
		if _, crashed := errors.AsType[*braid.CrashError](err); crashed != (i == 0) {
			t.Errorf("process %d: %v", i, err)
		}
	}
	if err := processes.Close(ctx); err != nil {
		t.Error(err)
	}
	if err := log.Close(record.End{Verdict: "failed", OK: n, Failed: n, Total: 2 * n}); err != nil {
		t.Fatal(err)
	}

	rec, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

// The record of a run makes a sound trace that lacks none of its attempts.
func TestExportsOfARun(t *testing.T) {
	const n = runCalls
	rec := recordRun(t)
	_, tr := traceOf(t, rec, sortMemory)
	_, pieces := traceOf(t, rec, 4096)
	got := make(map[string]int)
	for _, e := range tr.TraceEvents {
		if e.Ph == "X" {
			got[e.Name+" "+e.Cat]++
		}
	}
	// On each engine n/2 succeed with an inner one, and n/2 fail twice.
	for what, want := range map[string]int{
		"outer ok": n, "outer error": 2 * n, "inner ok": n, "outer submit": 2 * n, "inner submit": n,
		"fragile ok": 3, "fragile crash": 1,
	} {
		if got[what] != want {
			t.Errorf("the trace has %d × %s, want %d: %v", got[what], what, want, got)
		}
	}
	if len(pieces.TraceEvents) != len(tr.TraceEvents) {
		t.Errorf("sorted in pieces it has %d events, else %d", len(pieces.TraceEvents), len(tr.TraceEvents))
	}
	_, rows := tableOf(t, rec, CSVConfig{})
	if len(rows) != 1+4*n+4 || !slices.Equal(rows[0], columns) {
		t.Errorf("the table has %d rows, want %d", len(rows), 1+4*n+4)
	}
	report := reportOf(t, rec)
	if want := "- **200×** (and 200× before a retry) error `odd`"; !bytes.Contains([]byte(report), []byte(want)) {
		t.Errorf("the report lacks %q:\n%s", want, report)
	}
}
