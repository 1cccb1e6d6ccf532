package asyncio

import (
	"context"
	"os"
	"slices"
	"syscall"
	"testing"
)

// A flood of one signal leaves room for another one.
func TestSignalsPendingOnce(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s := &SignalStream{arrived: make(chan os.Signal), end: cancel}
	for range 1000 {
		s.add(os.Interrupt)
	}
	s.add(syscall.SIGTERM)
	s.add(os.Interrupt)
	if want := []os.Signal{os.Interrupt, syscall.SIGTERM}; !slices.Equal(s.pending, want) {
		t.Errorf("pending = %v, want %v", s.pending, want)
	}
	if sig, err := s.Next(ctx); sig != os.Interrupt || err != nil {
		t.Errorf("Next = %v, %v", sig, err)
	}
	s.add(os.Interrupt) // anew: the first one was taken
	s.Close()
	s.add(syscall.SIGHUP) // too late
	got := slices.Collect(s.All(context.Background()))
	if want := []os.Signal{syscall.SIGTERM, os.Interrupt}; !slices.Equal(got, want) {
		t.Errorf("the rest is %v, want %v", got, want)
	}
	if ctx.Err() == nil {
		t.Error("Close does not end the stream's goroutine")
	}
}
