package asyncio_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"strings"

	"github.com/go-braid/braid/asyncio"
)

// A server that answers each line, and a client: all on one loop.
func ExampleServe() {
	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		ln, err := asyncio.Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		serverCtx, stop := context.WithCancel(ctx)
		defer stop()
		server := asyncio.Go(serverCtx, func(ctx context.Context) error {
			return asyncio.Serve(ctx, ln, func(ctx context.Context, c net.Conn) {
				lines := bufio.NewScanner(c)
				for lines.Scan() {
					fmt.Fprintln(c, strings.ToUpper(lines.Text()))
				}
			})
		})

		c, err := asyncio.Dial(ctx, "tcp", ln.Addr().String())
		if err != nil {
			return err
		}
		answers := bufio.NewScanner(c)
		for _, word := range []string{"hello", "good-bye"} {
			fmt.Fprintln(c, word)
			answers.Scan()
			fmt.Println(answers.Text())
		}
		c.Close()

		stop()
		return server.Join(ctx)
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// HELLO
	// GOOD-BYE
}

// Many requests at once, without a goroutine for each.
func ExampleDial() {
	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		ln, err := asyncio.Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		server := &asyncio.Server{Handler: func(ctx context.Context, c net.Conn) { io.Copy(c, c) }}
		serving := asyncio.Go(ctx, func(ctx context.Context) error { return server.Serve(ctx, ln) })

		var clients []*asyncio.Coroutine
		answers := make([]string, 3)
		for i := range answers {
			clients = append(clients, asyncio.Go(ctx, func(ctx context.Context) error {
				c, err := asyncio.Dial(ctx, "tcp", ln.Addr().String())
				if err != nil {
					return err
				}
				defer c.Close()
				fmt.Fprintf(c, "request %d\n", i)
				answers[i], err = bufio.NewReader(c).ReadString('\n')
				return err
			}))
		}
		for _, c := range clients {
			if err := c.Join(ctx); err != nil {
				return err
			}
		}
		fmt.Print(strings.Join(answers, ""))

		server.Shutdown()
		return serving.Join(ctx)
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// request 0
	// request 1
	// request 2
}
