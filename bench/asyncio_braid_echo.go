package main

import (
	"context"
	"net"

	"github.com/go-braid/braid/asyncio"
)

// listenBraid starts the server of one coroutine for each connection, with a
// buffer of its own, on one loop.
func listenBraid(buffer int) (net.Addr, error) {
	up := make(chan net.Addr, 1)
	failed := make(chan error, 1)
	go func() {
		failed <- asyncio.Run(context.Background(), func(ctx context.Context) error {
			ln, err := asyncio.Listen(ctx, "tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			up <- ln.Addr()
			return asyncio.Serve(ctx, ln, func(_ context.Context, conn net.Conn) {
				echoNet(conn, make([]byte, buffer))
			})
		})
	}()
	select {
	case err := <-failed:
		return nil, err
	case addr := <-up:
		return addr, nil
	}
}
