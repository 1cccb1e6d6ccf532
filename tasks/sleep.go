package tasks

import (
	"context"
	"fmt"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/strand"
)

// Sleep is the task sleep: it takes a duration and waits for so long, by the
// clock of its engine. It stands for work that waits for something else, such as
// a server. With 0 it lets others run and is done; less is an error.
var Sleep = braid.Define("sleep", sleep,
	braid.Doc("Wait for a duration such as 250ms or 2 (seconds)."),
	braid.Idempotent())

// A Slept is the result of [Sleep].
type Slept struct {
	Asked time.Duration `json:"asked_ns"` // how long it was to sleep
	Wall  time.Duration `json:"wall_ns"`  // how long it took
}

func sleep(ctx context.Context, d time.Duration) (Slept, error) {
	if d < 0 {
		return Slept{}, negative(d)
	}
	begin := strand.Now(ctx)
	if err := strand.Sleep(ctx, d); err != nil {
		return Slept{}, err
	}
	return Slept{Asked: d, Wall: strand.Now(ctx).Sub(begin)}, nil
}

func negative(d time.Duration) error {
	return fmt.Errorf("%v is less than nothing: give a duration of 0 or more, such as 250ms", d)
}

// String says how long it slept.
func (s Slept) String() string {
	return fmt.Sprintf("slept %v in %v", s.Asked, rounded(s.Wall))
}

// Fingerprint returns what does not depend on the engine.
func (s Slept) Fingerprint() string { return "slept " + s.Asked.String() }

// rounded returns d with three digits or so, for people.
func rounded(d time.Duration) time.Duration {
	for unit := time.Duration(1); ; unit *= 10 {
		if d < 1000*unit || unit >= time.Second/10 {
			return d.Round(unit)
		}
	}
}
