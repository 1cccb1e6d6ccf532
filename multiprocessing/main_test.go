package multiprocessing_test

import (
	"context"
	"log"
	"os"
	"testing"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/multiprocessing"
	"go.uber.org/goleak"
)

var square = braid.Define("test.square", func(_ context.Context, n int) (int, error) { return n * n, nil })

func TestMain(m *testing.M) {
	play()
	multiprocessing.Main()
	// A program under the race detector sleeps for a second before it exits, and so
	// would every worker. What it reports must not get into the middle of the last
	// words of a worker that dies for having written to a map twice at once.
	_ = os.Setenv("GORACE", "atexit_sleep_ms=0 log_path=stdout "+os.Getenv("GORACE"))
	// The goroutine that starts processes never ends. It is started here, so that no
	// test takes it for a leak.
	p, err := multiprocessing.Start(context.Background(), square, 1)
	if err == nil {
		err = p.Join(context.Background())
	}
	if err != nil {
		log.Fatal(err)
	}
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent())
}
