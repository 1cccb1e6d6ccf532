package main

import (
	"context"
	"io"
	"net"

	"github.com/go-braid/braid/asyncio"
)

// listenBraid starts the server of one coroutine for each connection, on one loop.
func listenBraid() (net.Addr, error) {
	up := make(chan net.Addr, 1)
	failed := make(chan error, 1)
	go func() {
		failed <- asyncio.Run(context.Background(), func(ctx context.Context) error {
			ln, err := asyncio.Listen(ctx, "tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			up <- ln.Addr()
			s := asyncio.Server{
				// The connection takes a buffer of the loop when there is something to
				// read, and not before.
				Handler:  func(_ context.Context, conn net.Conn) { io.Copy(conn, conn) },
				MaxConns: 20_000,
			}
			return s.Serve(ctx, ln)
		})
	}()
	select {
	case err := <-failed:
		return nil, err
	case addr := <-up:
		return addr, nil
	}
}
