package webtest

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/dashboard"
	"github.com/go-braid/braid/record"
	"github.com/go-braid/braid/threading"
)

// gateKey is the key of the channel on which the last tasks wait.
type gateKey struct{}

var work = braid.Define("work", func(ctx context.Context, i int) (int, error) {
	if i%40 == 7 {
		return 0, fmt.Errorf("input %d: cannot open it", i)
	}
	if i >= 300 {
		<-ctx.Value(gateKey{}).(chan struct{})
	}
	return i, nil
})

// The whole way: an engine, its record, the server that follows it, and the page; while
// the run goes on, at its end, and as one file.
func TestRealRun(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run.ndjson")
	l, err := record.Create(path, record.Run{Name: "real", Task: "work", Args: []string{"braid", "run"}}, record.Config{})
	if err != nil {
		t.Fatal(err)
	}
	pool := threading.NewPool(threading.Config{
		Workers:  4,
		Listener: l.Listener(record.Engine{Name: "threads", Kind: "threads", Limit: 4, Why: "--engine"}),
	})
	gate := make(chan struct{})
	ctx := context.WithValue(context.Background(), gateKey{}, gate)
	l.Expect(304)
	inputs := func(yield func(int) bool) {
		for i := range 304 {
			l.Input(i, record.Key("work", fmt.Append(nil, i)), fmt.Sprintf("file-%d.txt", i))
			if !yield(i) {
				return
			}
		}
	}
	results := make(chan error)
	go func() {
		defer close(results)
		for _, err := range braid.Map(ctx, pool, work, inputs) {
			results <- err
		}
	}()
	for range 300 {
		<-results
	}
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}

	stopped := make(chan struct{})
	server, err := dashboard.New(path, dashboard.Config{Control: &dashboard.Control{Stop: func() { close(stopped) }}})
	if err != nil {
		t.Fatal(err)
	}
	serving, end := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- server.Serve(serving) }()
	t.Cleanup(func() {
		end()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	p := open(t, laptop, server.URL())
	p.ready()
	p.until("braid.connection.value === 'live' && braid.model.value.n >= 300")
	p.until("document.querySelector('.of').innerText === 'of 304'")
	if u := eval[string](p, "location.href"); strings.Contains(u, "token") {
		t.Errorf("the address is %s", u)
	}
	p.shot("real-live")
	narrow := open(t, screen{width: 1100, height: 720}, server.URL())
	narrow.ready()
	narrow.until("braid.connection.value === 'live'")
	if edges := eval[[]float64](narrow, "[document.querySelector('.name time').getBoundingClientRect().right, document.querySelector('.progress').getBoundingClientRect().left]"); edges[0] > edges[1] {
		t.Errorf("where there is little room, the date ends at %v, and the progress begins at %v", edges[0], edges[1])
	}
	eval[bool](p, "([...document.querySelectorAll('button')].find((b) => b.innerText === 'Stop').click(), true)")
	p.settled()
	eval[bool](p, "([...document.querySelectorAll('button')].find((b) => b.innerText === 'Stop the run').click(), true)")
	<-stopped

	// What failed is told with its error, and by one click.
	p.press("]")
	p.until("/cannot open it/.test(document.querySelector('.side').innerText)")

	close(gate)
	for range results {
	}
	if err := pool.Close(context.Background()); err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if err := l.Close(record.End{Verdict: "failed", Exit: 3, OK: 296, Failed: 8, Total: 304}); err != nil {
		t.Fatal(err)
	}
	p.until("document.querySelector('.verdict').innerText.includes('failed') && braid.connection.value === 'none' && braid.model.value.n === 304")
	if text := eval[string](p, "document.querySelector('.legend').innerText"); !strings.Contains(text, "296 ok") || !strings.Contains(text, "8 failed") {
		t.Errorf("the page counts %q", text)
	}
	if state := eval[int](p, "braid.model.value.state[braid.selected.value]"); state != failed {
		t.Errorf("the failure that was selected is now a span of state %d", state)
	}
	p.press("3", "/")
	p.ctrl("a")
	eval[bool](p, "(braid.filterText.value = 'file-303', true)")
	p.until("document.querySelector('.foot').innerText.startsWith('1 of 304')")
	p.shot("real-ended")

	model, err := dashboard.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	q := openModel(t, night, model)
	if n := eval[int](q, "braid.model.value.n"); n != 304 {
		t.Errorf("the file has %d spans", n)
	}
	q.press("]")
	q.until("/cannot open it/.test(document.querySelector('.side').innerText)")
	q.shot("real-file")
}
