//go:build unix

package cli

import (
	"context"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	"path/filepath"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
)

// A command that is stopped for want of memory is put back, and done again; the one
// before it goes on.
func TestMemfreeCommands(t *testing.T) {
	t.Parallel()
	r := newRoll(t)
	dir := t.TempDir()
	for _, name := range []string{"1", "2"} {
		if err := unix.Mkfifo(filepath.Join(dir, name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m := &fakeMachine{memory: 1000}
	l, err := (&limitFlags{memfree: "100"}).read(t.Context(), m.sensors())
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"sh", "-c", r.enter("read go < " + dir + "/$1"), "sh", "{}"}
	w, closeWork, err := (&batchFlags{}).commandWork(&plan{name: "sh", args: args}, newControl(), &commandFlags{})
	if err != nil {
		t.Fatal(err)
	}
	defer closeWork()
	said := make(chan string, 10)
	defer l.watchMemory(t.Context(), w, func(text string) { said <- text })()

	b := &batch{work: w, engine: engine.NewGoroutines(nil), window: 2, throttle: l.throttle, options: []braid.Option{braid.Retry(3)}}
	done := make(chan []*result)
	go func() { done <- runBatch(t, b, sliceOf("1", "2"), 0) }()
	r.wait(2)
	m.set(49)
	text := <-said
	m.set(1000)
	youngest, _, _ := strings.Cut(strings.TrimPrefix(text, "49 B of memory is left: "), " ")
	if !strings.HasSuffix(text, ": "+youngest+" is stopped, and done again later") {
		t.Errorf("said %q", text)
	}
	r.wait(1) // it has begun again
	for _, name := range []string{"1", "2"} {
		f, err := unix.Open(filepath.Join(dir, name), unix.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := unix.Write(f, []byte("well\n")); err != nil {
			t.Fatal(err)
		}
		unix.Close(f)
	}
	results := <-done
	r.empty()
	if want := (tally{read: 2, ok: 2, again: 1}); b.tally != want {
		t.Errorf("tally %+v, want %+v", b.tally, want)
	}
	for _, r := range results {
		if r.err != nil {
			t.Errorf("%s: %v", r.item.Text, r.err)
		}
		r.close()
	}
	if len(l.watch.commands) > 0 || l.watch.stopping != nil {
		t.Error("the watch still knows of commands")
	}
}

// What was put back when the run ends is not counted as a failure.
func TestMemfreeStopped(t *testing.T) {
	l, err := (&limitFlags{memfree: "100"}).read(t.Context(), (&fakeMachine{memory: 1000}).sensors())
	if err != nil {
		t.Fatal(err)
	}
	b := &batch{window: 2, throttle: l.throttle, control: newControl(), engine: engine.NewGoroutines(nil)}
	b.work = &fakeWork{f: func(context.Context, string) (any, error) {
		b.control.raise(stageDrain, 130, nil)
		return nil, errPutBack
	}}
	runBatch(t, b, sliceOf("1"), 0)
	if want := (tally{read: 1, stopped: 1, again: 1}); b.tally != want {
		t.Errorf("tally %+v, want %+v", b.tally, want)
	}
}
