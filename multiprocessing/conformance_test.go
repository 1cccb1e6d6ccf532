package multiprocessing_test

import (
	"testing"

	"github.com/go-braid/braid/engine/enginetest"
	"github.com/go-braid/braid/multiprocessing"
)

func TestConformance(t *testing.T) {
	for _, pipes := range []bool{false, true} {
		name := "shared memory"
		if pipes {
			name = "sockets"
		}
		t.Run(name, func(t *testing.T) {
			open := func(t testing.TB, c enginetest.Config) enginetest.Engine {
				cfg := multiprocessing.Config{Workers: c.Workers, Queue: c.Queue, Listener: c.Listener, Pipes: pipes}
				if c.Refuse {
					cfg.Full = multiprocessing.Refuse
				}
				p, err := multiprocessing.NewPool(cfg)
				if err != nil {
					t.Fatal(err)
				}
				return p
			}
			enginetest.Run(t, open, enginetest.Caps{
				Bounded: true, Waits: true, Refuses: true, Drains: true,
				Forces: true, NoClosures: true, NoBubble: true,
			})
		})
	}
}
