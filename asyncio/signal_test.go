//go:build unix

package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"testing"

	"github.com/go-braid/braid/asyncio"
	"github.com/go-braid/braid/strand"
)

// When this program is started with this variable set, it is the child of a test:
// see TestSignalsRestored.
const childVariable = "ASYNCIO_TEST_CHILD"

func init() {
	if os.Getenv(childVariable) == "" {
		return
	}
	// Package initialisation is locked to its thread, where no loop can be.
	go restore()
	select {} // until the signal comes
}

func restore() {
	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		s := asyncio.Signals(ctx, syscall.SIGHUP)
		raise(syscall.SIGHUP)
		sig, err := s.Next(ctx)
		s.Close()
		fmt.Println(sig, err)
		return nil
	})
	fmt.Println(err)
	raise(syscall.SIGHUP)
}

func raise(sig syscall.Signal) {
	if err := syscall.Kill(os.Getpid(), sig); err != nil {
		panic(err)
	}
}

func TestSignals(t *testing.T) {
	within(t, func(ctx context.Context) {
		s := asyncio.Signals(ctx, syscall.SIGWINCH, syscall.SIGUSR2)
		defer s.Close()
		other := asyncio.Signals(ctx, syscall.SIGWINCH)
		defer other.Close()
		for _, want := range []syscall.Signal{syscall.SIGWINCH, syscall.SIGUSR2, syscall.SIGWINCH} {
			raise(want)
			if sig, err := s.Next(ctx); sig != want || err != nil {
				t.Errorf("Next = %v, %v; want %v", sig, err, want)
			}
		}
		if sig, err := other.Next(ctx); sig != syscall.SIGWINCH || err != nil {
			t.Errorf("Next of another stream = %v, %v", sig, err)
		}
	}, asyncio.With(asyncio.Config{DeadlockAfter: 1}))
}

func TestSignalsCancelled(t *testing.T) {
	within(t, func(ctx context.Context) {
		own, cancel := context.WithCancel(ctx)
		s := asyncio.Signals(ctx, syscall.SIGUSR2)
		next := func(ctx context.Context) error { _, err := s.Next(ctx); return err }
		c := asyncio.Go(own, next)
		strand.Yield(ctx)
		cancel()
		if err := c.Join(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Next = %v", err)
		}
		raise(syscall.SIGUSR2)
		for sig := range s.All(ctx) {
			if sig != syscall.SIGUSR2 {
				t.Errorf("All yields %v", sig)
			}
			break
		}
		// Close ends those who wait.
		c = asyncio.Go(ctx, next)
		strand.Yield(ctx)
		s.Close()
		s.Close()
		if err := c.Join(ctx); err == nil || errors.Is(err, context.Canceled) {
			t.Errorf("Next of a stream that was closed meanwhile = %v", err)
		}
		for sig := range s.All(ctx) {
			t.Errorf("All of a closed stream yields %v", sig)
		}

		// So does the end of the stream's context.
		own, cancel = context.WithCancel(ctx)
		s = asyncio.Signals(own, syscall.SIGUSR2)
		c = asyncio.Go(ctx, next)
		strand.Yield(ctx)
		cancel()
		if err := c.Join(ctx); err == nil {
			t.Error("Next of a stream whose context is done succeeds")
		}
	})
	defer func() {
		if recover() == nil {
			t.Error("Signals without signals does not panic")
		}
	}()
	asyncio.Signals(context.Background())
}

// When the stream has ended the signal does again what it did before: here, to end
// the program.
func TestSignalsRestored(t *testing.T) {
	within(t, func(ctx context.Context) {
		p, err := asyncio.Start(ctx, asyncio.Command{
			Args: []string{os.Args[0]}, Env: append(os.Environ(), childVariable+"=1"),
		})
		if err != nil {
			t.Fatal(err)
		}
		out, errs, _ := p.Communicate(ctx, nil)
		if want := "hangup <nil>\n<nil>\n"; runtime.GOOS == "linux" && string(out) != want {
			t.Errorf("the child wrote %q and %q, want %q", out, errs, want)
		}
		if endedBy(p) != syscall.SIGHUP {
			t.Errorf("the child is %v", p.State())
		}
	})
}
