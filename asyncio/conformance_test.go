package asyncio_test

import (
	"testing"

	"github.com/go-braid/braid/asyncio"
	"github.com/go-braid/braid/engine/enginetest"
)

func TestConformance(t *testing.T) {
	enginetest.Run(t, func(t testing.TB, c enginetest.Config) enginetest.Engine {
		return asyncio.NewLoop(asyncio.Config{Listener: c.Listener})
	}, enginetest.Caps{Drains: true, Cooperative: true, Forces: true, NoRaw: true})
}
