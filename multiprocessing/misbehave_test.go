//go:build unix

package multiprocessing_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/multiprocessing"
)

var (
	misbehave = braid.Define("test.misbehave", func(ctx context.Context, how string) (int, error) {
		return misbehaving(ctx, how)
	})
	misbehaveAgain = braid.Define("test.misbehaveAgain", func(ctx context.Context, how string) (int, error) {
		return misbehaving(ctx, how)
	}, braid.Idempotent())
)

var errSentinel = errors.New("test: a sentinel of the tests")

type oddError struct{ Number int }

func (e *oddError) Error() string { return fmt.Sprintf("odd: %d", e.Number) }

func init() {
	braid.RegisterError(errSentinel)
	braid.RegisterErrorType[*oddError]()
}

// misbehaving does what how says: "kill 11" sends the process that signal, and so on.
// With "tell" before it, it says first that it runs: see teller.
func misbehaving(ctx context.Context, how string) (int, error) {
	if rest, ok := strings.CutPrefix(how, "tell "); ok {
		fmt.Println("running", os.Getpid())
		how = rest
	}
	how, arg, _ := strings.Cut(how, " ")
	number, _ := strconv.Atoi(arg)
	switch how {
	case "panic":
		panic("boom")
	case "nil":
		var p *int
		return *p, nil
	case "goexit":
		runtime.Goexit()
	case "exit":
		os.Exit(number)
	case "kill":
		kill(syscall.Signal(number))
	case "signal": // and go on
		signalSelf(syscall.Signal(number))
	case "stop": // until somebody has it go on
		stopSelf()
	case "unlock":
		new(sync.Mutex).Unlock()
	case "maps":
		writeMaps()
	case "stack":
		return overflow(0), nil
	case "elsewhere":
		go func() { panic("elsewhere") }()
		select {}
	case "deaf":
		select {}
	case "busy":
		spin()
	case "locked":
		runtime.LockOSThread()
		spin()
	case "error":
		return 0, errors.New("no")
	case "sentinel":
		return 0, fmt.Errorf("wrapped: %w", errSentinel)
	case "odd":
		return 0, &oddError{3}
	case "path":
		_, err := os.Open("/nonexistent/file")
		return 0, err
	case "wait":
		<-ctx.Done()
		return 0, context.Cause(ctx)
	case "close":
		for fd := 3; fd < 200; fd++ {
			_ = syscall.Close(fd)
		}
		select {}
	case "dup":
		null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
		if err != nil {
			return 0, err
		}
		for fd := 3; fd < 200; fd++ {
			if fd != int(null.Fd()) {
				_ = dup2(int(null.Fd()), fd)
			}
		}
		select {}
	}
	return 0, nil
}

func signalSelf(sig syscall.Signal) { _ = syscall.Kill(os.Getpid(), sig) }

// kill sends this process a signal, and waits for what happens.
func kill(sig syscall.Signal) {
	signalSelf(sig)
	select {}
}

// spin never returns.
func spin() {
	for n := 0; ; n++ {
		if n < 0 {
			return
		}
	}
}

// writeMaps writes a map from many goroutines until the runtime notices.
func writeMaps() {
	// The keys are there already: only the runtime's check can be what goes wrong.
	m := make(map[int]int)
	for i := range 8 {
		m[i] = i
	}
	for range 8 {
		go func() {
			for i := 0; ; i++ {
				m[i%8] = i
			}
		}()
	}
	select {}
}

// overflow calls itself until there is no more stack.
func overflow(n int) int {
	if n < 0 {
		return n
	}
	var room [1 << 10]int
	room[n%len(room)] = overflow(n+1) + 1
	return room[n%7]
}

// A cargo is a value with a trap in it, which springs at one point of its way. The
// points are the phases of a call: "submit", where the program writes it, "decode",
// where the worker reads it, "run", "encode", where the worker writes it, and "result".
type cargo struct{ At, How string }

type plainCargo cargo

func (c cargo) spring(at string) error {
	if c.At != at {
		return nil
	}
	_, err := misbehaving(context.Background(), c.How)
	return err
}

func (c cargo) MarshalBinary() ([]byte, error) {
	at := "submit"
	if multiprocessing.IsWorker() {
		at = "encode"
	}
	if err := c.spring(at); err != nil {
		return nil, err
	}
	return json.Marshal(plainCargo(c))
}

func (c *cargo) UnmarshalBinary(b []byte) error {
	if err := json.Unmarshal(b, (*plainCargo)(c)); err != nil {
		return err
	}
	if multiprocessing.IsWorker() {
		return c.spring("decode")
	}
	return c.spring("result")
}

// carry returns the cargo that it is given.
var carry = braid.Define("test.carry", func(_ context.Context, c cargo) (cargo, error) {
	if err := c.spring("run"); err != nil {
		return cargo{}, err
	}
	return c, nil
})
