package record_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/record"
	"github.com/go-braid/braid/threading"
)

var half = braid.Define("half", func(_ context.Context, n int) (int, error) {
	if n%2 != 0 {
		return 0, errors.New("it is odd")
	}
	return n / 2, nil
})

// A pool that is recorded needs its listener and nothing else.
func ExampleTo() {
	path := filepath.Join(os.TempDir(), "braid-example-to.ndjson")
	defer os.Remove(path)

	pool := threading.NewPool(threading.Config{Listener: record.To(path)})
	for _, n := range []int{2, 3, 4} {
		_, _ = braid.Submit(context.Background(), pool, half, n).Await(context.Background())
	}
	if err := pool.Close(context.Background()); err != nil {
		fmt.Println(err)
	}

	info, err := record.Stat(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s: %d of %d succeeded\n", info.End.Verdict, info.End.OK, info.End.Total)
	// Output: failed: 2 of 3 succeeded
}

// A program that knows more than the engine does adds it to the log.
func ExampleCreate() {
	path := filepath.Join(os.TempDir(), "braid-example-create.ndjson")
	defer os.Remove(path)

	log, err := record.Create(path, record.Run{Name: "halves", Task: "half"}, record.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	ex := engine.NewSerial(log.Listener(record.Engine{Name: "serial", Kind: "serial", Limit: 1}))
	for i, n := range []int{2, 3} {
		log.Input(i, record.Key("half", fmt.Append(nil, n)), fmt.Sprint(n))
		_, _ = braid.Submit(context.Background(), ex, half, n, braid.Index(i)).Await(context.Background())
	}
	if err := log.Close(record.End{Verdict: "failed", OK: 1, Failed: 1, Total: 2, Exit: 1}); err != nil {
		fmt.Println(err)
	}

	info, err := record.Stat(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s: %d of %d succeeded\n", info.End.Verdict, info.End.OK, info.End.Total)
	// Output: failed: 1 of 2 succeeded
}

// Whoever reads a log takes the lines that matter to him.
func ExampleReader() {
	r, err := record.Open("testdata/schema1.ndjson")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Close()
	for {
		line, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		switch l := line.(type) {
		case *record.Run:
			fmt.Println("run", l.Name)
		case *record.Span:
			fmt.Printf("input %d, attempt %d: %s after %v\n", l.Input, l.Attempt, l.State, l.End-l.Start)
		}
	}
	// Output:
	// run sums
	// input 7, attempt 2: crash after 12µs
	// input 0, attempt 1: ok after 10µs
	// input 8, attempt 1: refused after 0s
}

// A store keeps a directory for each run.
func ExampleStore() {
	dir, err := os.MkdirTemp("", "braid-example-store-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	runs := record.Store{Dir: dir} // a user's own runs are in record.DefaultDir
	id, path, err := runs.New()
	if err != nil {
		fmt.Println(err)
		return
	}
	log, err := record.Create(path, record.Run{ID: id, Name: "nightly"}, record.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	info, err := runs.Find("last")
	fmt.Println(info.Run.Name, info.State, err)
	_ = log.Close(record.End{Verdict: "ok"})

	info, err = runs.Find(id)
	fmt.Println(info.Run.Name, info.State, err)
	removed, err := runs.Prune(0, 0)
	fmt.Println(len(removed), "removed", err)
	// Output:
	// nightly running <nil>
	// nightly ended <nil>
	// 1 removed <nil>
}
