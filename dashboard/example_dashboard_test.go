package dashboard_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-braid/braid/dashboard"
	"github.com/go-braid/braid/record"
)

// exampleLog writes a small log and returns its path.
func exampleLog(dir string) string {
	var b []byte
	for _, l := range []record.Line{
		&record.Run{Schema: record.Schema, Name: "resize", PID: 1 << 22, CPUs: 4},
		&record.Engine{Number: 1, Name: "threads", Kind: "threads", Limit: 2},
		&record.Input{Number: 0, Text: "a.png"},
		&record.Input{Number: 1, Text: "b.png"},
		&record.Error{Number: 1, Kind: record.StateError, Print: "1", Text: "not a picture"},
		&record.Span{Start: 0, End: 30 * time.Millisecond, Call: 1, Engine: 1, Worker: 1, Input: 0, Attempt: 1, State: record.StateOK, Last: true},
		&record.Span{Start: 0, End: 12 * time.Millisecond, Call: 2, Engine: 1, Worker: 2, Input: 1, Attempt: 1, State: record.StateError, Err: 1, Last: true},
		&record.End{Time: 30 * time.Millisecond, Verdict: "failed", OK: 1, Failed: 1, Total: 2},
	} {
		b = record.Append(b, l)
	}
	path := filepath.Join(dir, "run.ndjson")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		panic(err)
	}
	return path
}

func exampleDir() (dir string, remove func()) {
	dir, err := os.MkdirTemp("", "braid")
	if err != nil {
		panic(err)
	}
	return dir, func() { os.RemoveAll(dir) }
}

// A run in the terminal.
func ExampleModel_Draw() {
	dir, remove := exampleDir()
	defer remove()

	m, err := dashboard.Load(exampleLog(dir))
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := m.Draw(os.Stdout, dashboard.Drawing{Width: 60}); err != nil {
		fmt.Println(err)
	}
	// Output:
	// resize  FAILED  threads ×2
	// 1 ok · 1 failed
	// 30ms · 67 a second · half take up to 12ms, 95 % up to 12ms
	//
	//           0s            10ms          20ms
	// threads 1│███████████████████████████████████████████│ 100%
	// threads 2│█████████████████✕                         │  40%
	//
	// Failed attempts
	//   ✕      1× error     not a picture
	//                       such as b.png
	//
	// Slowest
	//       30ms  ok        a.png
	//       12ms  error     b.png
}

// A run as one file, to be kept or sent to somebody.
func ExampleModel_WriteHTML() {
	dir, remove := exampleDir()
	defer remove()

	m, err := dashboard.Load(exampleLog(dir))
	if err != nil {
		fmt.Println(err)
		return
	}
	var page strings.Builder
	if err := m.WriteHTML(&page); err != nil {
		fmt.Println(err)
		return
	}
	title, _, _ := strings.Cut(page.String()[strings.Index(page.String(), "<title>"):], "\n")
	fmt.Println(title)
	// Output: <title>resize – braid</title>
}

// The page of a run in the browser, until Ctrl-C.
func ExampleServer() {
	dir, remove := exampleDir()
	defer remove()

	s, err := dashboard.New(exampleLog(dir), dashboard.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background()) // in a program: signal.NotifyContext
	defer stop()
	done := make(chan error)
	go func() { done <- s.Serve(ctx) }()

	// To be opened in the browser. Without the token there is no answer.
	res, err := http.Get(s.URL())
	if err != nil {
		fmt.Println(err)
		return
	}
	io.Copy(io.Discard, res.Body)
	res.Body.Close()
	fmt.Println(res.Status)

	stop()
	fmt.Println(<-done)
	http.DefaultClient.CloseIdleConnections()
	// Output:
	// 200 OK
	// <nil>
}

// A model can be fed by hand, with lines from wherever they come.
func ExampleModel_Add() {
	m := dashboard.NewModel()
	m.Add(&record.Run{Name: "by hand"})
	m.Add(&record.Engine{Number: 1, Name: "threads", Kind: "threads", Limit: 1})
	for i := range 10 {
		start := time.Duration(i) * 10 * time.Millisecond
		m.Add(&record.Span{
			Start: start, End: start + 8*time.Millisecond, Call: uint64(i + 1), Engine: 1, Worker: 1, Input: i,
			Attempt: 1, State: record.StateOK, Last: true,
		})
	}
	var b strings.Builder
	if err := m.Draw(&b, dashboard.Drawing{}); err != nil {
		fmt.Println(err)
	}
	line, _, _ := strings.Cut(b.String(), "\n")
	fmt.Println(line)
	// Output: by hand  RUNNING  threads ×1
}
