package export_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/export"
	"github.com/go-braid/braid/record"
	"github.com/go-braid/braid/threading"
)

// Record what a pool does, and open the trace in Perfetto (ui.perfetto.dev).
func ExampleChrome() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "run.ndjson")

	ctx := context.Background()
	log, err := record.Create(path, record.Run{Name: "squares"}, record.Config{})
	if err != nil {
		panic(err)
	}
	pool := threading.NewPool(threading.Config{Workers: 2, Listener: log.Listener(record.Engine{Kind: "threads", Limit: 2})})
	square := braid.Func(func(_ context.Context, n int) (int, error) { return n * n, nil }, braid.Name("square"))
	for n, err := range braid.Map(ctx, pool, square, slices.Values([]int{1, 2, 3})) {
		fmt.Println(n, err)
	}
	if err := pool.Close(ctx); err != nil {
		panic(err)
	}
	if err := log.Close(record.End{Verdict: "ok", OK: 3, Total: 3}); err != nil {
		panic(err)
	}

	r, err := record.Open(path)
	if err != nil {
		panic(err)
	}
	defer r.Close()
	trace, err := os.Create(filepath.Join(dir, "trace.json"))
	if err != nil {
		panic(err)
	}
	defer trace.Close()
	fmt.Println(export.Chrome(trace, r))
	// Output:
	// 1 <nil>
	// 4 <nil>
	// 9 <nil>
	// <nil>
}

// A record of two calls, as a program may have it from anywhere.
const run = `{"type":"run","schema":"braid.record/1","name":"thumbnails"}
{"type":"engine","e":1,"name":"threads","kind":"threads","limit":2}
{"type":"input","t":10,"i":0,"text":"a.png"}
{"type":"span","t":1000,"end":43000,"c":1,"e":1,"w":1,"a":1,"q":20,"task":"resize","state":"ok","cpu":40000,"last":true}
{"type":"input","t":15,"i":1,"text":"=1+1.png"}
{"type":"error","n":1,"kind":"error","print":"3f1c","text":"not an image"}
{"type":"span","t":1200,"end":2200,"c":2,"e":1,"w":2,"i":1,"a":1,"q":30,"task":"resize","state":"error","err":1,"last":true}
{"type":"end","t":50000,"verdict":"failed","ok":1,"failed":1,"total":2}
`

func ExampleMarkdown() {
	if err := export.Markdown(os.Stdout, record.NewReader(strings.NewReader(run))); err != nil {
		fmt.Println(err)
	}
	// Output:
	// # thumbnails: failed, 1 of 2 inputs
	//
	// | ok | of these retried | failed | running | stopped | skipped | total | time | a second |
	// |--:|--:|--:|--:|--:|--:|--:|--:|--:|
	// | 1 | 0 | 1 | 0 | 0 | 0 | 2 | 50.0ms | 40 |
	//
	// - engine: threads ×2
	//
	// ## Failures
	//
	// - **1×** error `not an image`, at 2.2ms; such as input 1 `=1+1.png`; fingerprint `3f1c`
	//
	// ## Times
	//
	// | engine | attempts | wall p50 | p90 | p99 | max | wait p50 | p90 | p99 | max | CPU of wall | busy |
	// |:--|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|
	// | threads ×2 | 2 | 1.0ms | 42.0ms | 42.0ms | 42.0ms | 980µs | 1.2ms | 1.2ms | 1.2ms | 95 % | 51 % |
	//
	// - threads ×2: 2 workers at work, the least busy 2 % (worker 2), the busiest 100 % (worker 1)
	//
	// ## Slowest
	//
	// - 42.0ms: input 0 `a.png`, 40.0ms of CPU
	// - 1.0ms: input 1 `=1+1.png`, error
}

// For a spreadsheet, no input is a formula.
func ExampleCSV() {
	var b strings.Builder
	if err := export.CSV(&b, record.NewReader(strings.NewReader(run)), export.CSVConfig{Spreadsheet: true}); err != nil {
		fmt.Println(err)
	}
	for line := range strings.Lines(b.String()) {
		fields := strings.Split(line, ",")
		fmt.Println(strings.Join(fields[3:6], " "), fields[10], fields[15])
	}
	// Output:
	// input item task state wall_us
	// 0 a.png resize ok 42000
	// 1 '=1+1.png resize error 1000
}

// A record that is being written can be exported: what runs lasts to its end.
func ExampleMarkdown_unfinished() {
	first, _, _ := strings.Cut(run, `{"type":"end"`)
	r, w := io.Pipe()
	go func() {
		_ = w.CloseWithError(export.Markdown(w, record.NewReader(strings.NewReader(first))))
	}()
	report, err := io.ReadAll(r)
	title, _, _ := strings.Cut(string(report), "\n")
	fmt.Println(title, err)
	// Output:
	// # thumbnails: unfinished: the record has no end, so the run was killed or still goes on <nil>
}
