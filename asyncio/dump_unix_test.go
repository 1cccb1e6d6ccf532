//go:build unix

package asyncio_test

import (
	"bufio"
	"context"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/go-braid/braid/asyncio"
	"github.com/go-braid/braid/strand"
)

// TestDumpOnSignal sends SIGUSR1 to this process while a loop waits.
func TestDumpOnSignal(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	stderr := os.Stderr
	os.Stderr = w
	defer func() { os.Stderr = stderr }()

	var done, waits strand.Event
	ended := make(chan error, 1)
	go func() {
		ended <- asyncio.Run(t.Context(), func(ctx context.Context) error {
			asyncio.Go(ctx, func(ctx context.Context) error { return done.Wait(ctx) })
			waits.Set()
			return done.Wait(ctx)
		}, asyncio.With(asyncio.Config{DumpOnSignal: true, Shared: true}))
	}()
	if err := waits.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewScanner(r)
	for _, want := range []string{"loop async, 2 coroutines", "└─ main 1: ", "   └─ coroutine 2: "} {
		if !in.Scan() || !strings.HasPrefix(in.Text(), want) {
			t.Errorf("the dump has %q, want %q", in.Text(), want)
		}
	}
	done.Set()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	w.Close()
}
