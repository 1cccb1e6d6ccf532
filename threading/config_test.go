package threading_test

import (
	"context"
	"errors"
	"testing"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/threading"
)

func TestNonsenseConfig(t *testing.T) {
	panicText(t, "threading: Config.Workers is -1: it must be positive, or 0 for GOMAXPROCS", func() {
		threading.NewPool(threading.Config{Workers: -1})
	})
	panicText(t, "threading: Config.Full is 2: it must be Wait or Refuse", func() {
		threading.NewPool(threading.Config{Full: 2})
	})
}

func TestName(t *testing.T) {
	for name, want := range map[string]string{"": "threads", "crawlers": "crawlers"} {
		p := open(t, threading.Config{Name: name})
		err := outcomeOf(run(p, func(context.Context) error { return errTest }))
		te, ok := errors.AsType[*braid.TaskError](err)
		if !ok || te.Engine != want || te.Worker != 1 {
			t.Errorf("the error of a pool named %q is %#v, want one of %s, worker 1", name, err, want)
		}
		isAll(t, err, errTest)
	}
}
