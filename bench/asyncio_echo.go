package main

import (
	"fmt"
	"net"
	"os"

	"github.com/panjf2000/gnet/v2"
)

// listenNet starts the server that everybody writes in Go: a goroutine for each
// connection, with a buffer of its own.
func listenNet(buffer int) (net.Addr, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				fmt.Fprintln(os.Stderr, "accept:", err)
				os.Exit(1)
			}
			go echoNet(conn, make([]byte, buffer))
		}
	}()
	return ln.Addr(), nil
}

// echoNet ends with the connection, however that ends: the load knows what it
// has missed.
func echoNet(conn net.Conn, buf []byte) {
	defer conn.Close()
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		if _, err := conn.Write(buf[:n]); err != nil {
			return
		}
	}
}

// listenGnet starts a server of callbacks on one event loop.
func listenGnet() (net.Addr, error) {
	g := &gnetEcho{up: make(chan gnet.Engine)}
	failed := make(chan error, 1)
	go func() { failed <- gnet.Run(g, "tcp://127.0.0.1:0", gnet.WithNumEventLoop(1)) }()
	select {
	case err := <-failed:
		return nil, err
	case engine := <-g.up:
		// It does not say which port it got, but its socket does.
		fd, err := engine.Dup()
		if err != nil {
			return nil, err
		}
		file := os.NewFile(uintptr(fd), "listener")
		defer file.Close()
		ln, err := net.FileListener(file)
		if err != nil {
			return nil, err
		}
		defer ln.Close()
		return ln.Addr(), nil
	}
}

type gnetEcho struct {
	gnet.BuiltinEventEngine
	up chan gnet.Engine
}

func (g *gnetEcho) OnBoot(engine gnet.Engine) gnet.Action {
	g.up <- engine
	return gnet.None
}

func (g *gnetEcho) OnTraffic(c gnet.Conn) gnet.Action {
	buf, err := c.Next(-1)
	if err == nil {
		_, err = c.Write(buf)
	}
	if err != nil {
		return gnet.Close
	}
	return gnet.None
}
