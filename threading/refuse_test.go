package threading_test

import (
	"context"
	"testing"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/threading"
)

// A call that is complete has given back its place: a submitter that never has
// more calls in the pool than there are places is never refused.

func TestSequentialCallsAreNotRefused(t *testing.T) {
	p := threading.NewPool(threading.Config{Workers: 1, Queue: -1, Full: threading.Refuse})
	defer p.Close(bg)
	for i := range 10_000 {
		if _, err := braid.Go(bg, p, one).Await(bg); err != nil {
			t.Fatalf("call %d, with nothing else in the pool: %v", i, err)
		}
	}
}

func TestTwoCallsInTwoPlacesAreNotRefused(t *testing.T) {
	p := threading.NewPool(threading.Config{Workers: 1, Queue: 1, Full: threading.Refuse})
	defer p.Close(bg)
	last := braid.Go(bg, p, one)
	for i := range 10_000 {
		next := braid.Go(bg, p, one)
		if _, err := last.Await(bg); err != nil {
			t.Fatalf("call %d, with one other in the pool: %v", i, err)
		}
		last = next
	}
	if _, err := last.Await(bg); err != nil {
		t.Fatal(err)
	}
}

func one(context.Context) (int, error) { return 1, nil }
