package cli

import (
	"context"
	"errors"
	"iter"
	"strconv"
	"testing"
	"testing/synctest"

	"github.com/go-braid/braid/internal/input"
)

// items are n inputs, counted as they are taken.
func items(n int, taken *int) iter.Seq2[input.Item, error] {
	return func(yield func(input.Item, error) bool) {
		for i := range n {
			*taken++
			if !yield(line(strconv.Itoa(i+1)), nil) {
				return
			}
		}
	}
}

func TestSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		taken := 0
		s := newSource(t.Context(), items(1000, &taken), nil)
		synctest.Wait()
		// One more is in the hands of the reader.
		if taken != readAhead+1 {
			t.Errorf("%d inputs were read ahead, want %d", taken, readAhead+1)
		}
		for i := range 1000 {
			e, ok := s.next()
			for ; !ok && !s.done(); e, ok = s.next() {
				<-s.ready
			}
			if want := strconv.Itoa(i + 1); e.item.Text != want || e.err != nil {
				t.Fatalf("input %q, %v; want %s", e.item.Text, e.err, want)
			}
		}
		for !s.done() {
			if e, ok := s.next(); ok {
				t.Fatalf("there is a further input %+v", e)
			}
			if !s.done() {
				<-s.ready
			}
		}
		if s.more(true) || s.more(false) {
			t.Error("at the end there is more")
		}
	})
}

// A source that waits for its reader has nothing, and is not done.
func TestSourceSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := make(chan entry)
		s := newSource(t.Context(), func(yield func(input.Item, error) bool) {
			for e := range in {
				if !yield(e.item, e.err) {
					return
				}
			}
		}, nil)
		if _, ok := s.next(); ok || s.done() {
			t.Error("there is an input, or an end, before there is one")
		}
		if !s.more(false) {
			t.Error("nobody knows yet that there is no more")
		}
		failure := errors.New("failure")
		in <- entry{item: line("a"), err: failure}
		<-s.ready
		if e, ok := s.next(); !ok || e.item.Text != "a" || e.err != failure {
			t.Errorf("got %+v, %v; want the input with its error", e, ok)
		}
		if _, ok := s.next(); ok || s.done() {
			t.Error("there is an input, or an end, before there is one")
		}
		go close(in)
		if s.more(true) {
			t.Error("at the end there is more")
		}
	})
}

func TestSourceMoreWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := make(chan string)
		s := newSource(t.Context(), func(yield func(input.Item, error) bool) {
			for text := range in {
				if !yield(line(text), nil) {
					return
				}
			}
		}, nil)
		go func() { in <- "a" }()
		if !s.more(true) {
			t.Error("there is no more, though an input comes")
		}
		// It has not been used up by that.
		if e, ok := s.next(); !ok || e.item.Text != "a" {
			t.Errorf("got %+v, %v", e, ok)
		}
		close(in)
	})
}

// Stop ends the reader, which may be waiting for room, or in a read.
func TestSourceStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		taken := 0
		s := newSource(t.Context(), items(1000, &taken), nil)
		synctest.Wait()
		s.stop()
		synctest.Wait() // and the bubble ends without the reader
		if _, ok := s.next(); ok || !s.done() {
			t.Error("a stopped source is not done")
		}
		if taken > readAhead+1 {
			t.Errorf("%d inputs were read", taken)
		}

		ctx, cancel := context.WithCancel(t.Context())
		s = newSource(ctx, items(1000, &taken), nil)
		synctest.Wait()
		cancel()
		synctest.Wait()
		for range readAhead {
			if _, ok := s.next(); !ok {
				t.Fatal("what was read is lost")
			}
		}
	})
}

func TestSliceSource(t *testing.T) {
	s := sliceSource([]entry{{item: line("a")}, {item: line("b")}})
	for _, want := range []string{"a", "b"} {
		if s.done() {
			t.Fatal("done too early")
		}
		if e, ok := s.next(); !ok || e.item.Text != want {
			t.Errorf("got %+v, %v; want %s", e, ok, want)
		}
	}
	if _, ok := s.next(); ok || !s.done() {
		t.Error("not done at its end")
	}
}
