package record_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"sync"
	"testing"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/multiprocessing"
	"github.com/go-braid/braid/record"
	"github.com/go-braid/braid/threading"
	"go.uber.org/goleak"
)

var bg = context.Background()

// victimEnv has the test program be the one that is killed; see TestKilled.
const victimEnv = "BRAID_RECORD_VICTIM"

func TestMain(m *testing.M) {
	multiprocessing.Main()
	if path := os.Getenv(victimEnv); path != "" {
		victim(path)
		return
	}
	_ = os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE"))
	// The goroutine that starts processes never ends. It is started here, so that no
	// test takes it for a leak.
	p, err := multiprocessing.Start(bg, work, job{})
	if err == nil {
		err = p.Join(bg)
	}
	if err != nil {
		log.Fatal(err)
	}
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent())
}

// victim records what it does, and tells on its standard output which calls are complete
// and which of them had to be written by then, until it is killed.
func victim(path string) {
	l, err := record.Create(path, record.Run{ID: record.NewID()}, record.Config{})
	if err != nil {
		log.Fatal(err)
	}
	pool := threading.NewPool(threading.Config{Workers: 2, Listener: l.Listener(record.Engine{Name: "threads"})})
	out := bufio.NewWriter(os.Stdout)
	var mu sync.Mutex
	say := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(out, format, args...)
		_ = out.Flush()
	}
	for i := 0; ; i++ {
		_, err := braid.Go(bg, pool, func(context.Context) (int, error) { return i, nil }, braid.Index(i)).Await(bg)
		if err != nil {
			log.Fatal(err)
		}
		if i%50 == 49 {
			if err := l.Flush(); err != nil {
				log.Fatal(err)
			}
			say("flushed %d\n", i)
		}
	}
}

// read returns the lines of a log, and fails the test if one is broken.
func read(t testing.TB, path string) []record.Line {
	t.Helper()
	r, err := record.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	return lines(t, r)
}

func lines(t testing.TB, r *record.Reader) (all []record.Line) {
	t.Helper()
	for {
		l, err := r.Next()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, l)
	}
}

// of returns the lines of one type.
func of[T record.Line](all []record.Line) (some []T) {
	for _, l := range all {
		if t, ok := l.(T); ok {
			some = append(some, t)
		}
	}
	return some
}
