package threading_test

import (
	"testing"

	"github.com/go-braid/braid/engine/enginetest"
	"github.com/go-braid/braid/threading"
)

func TestConformance(t *testing.T) {
	open := func(t testing.TB, c enginetest.Config) enginetest.Engine {
		cfg := threading.Config{Workers: c.Workers, Queue: c.Queue, Listener: c.Listener}
		if c.Refuse {
			cfg.Full = threading.Refuse
		}
		return threading.NewPool(cfg)
	}
	enginetest.Run(t, open, enginetest.Caps{
		Bounded: true, Waits: true, Refuses: true,
		Lends: true, Reclaims: true, Drains: true,
	})
}
