package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// A load is a number of connections to an echo server. One program drives all
// servers: each connection sends its next request when the reply to the last has
// come whole and is right.
type load struct {
	conns []*client
}

// A client is one connection.
type client struct {
	net.Conn
	number       int
	request      []byte
	reply        []byte
	sent         uint64
	latencies    []time.Duration
	err          error
	writeResults chan error
}

// dial connects n clients. Each has one small request answered first, so that the
// server has done for the connection whatever it does once.
func dial(addr string, n int) (*load, error) {
	l := new(load)
	for i := range n {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			l.close()
			return nil, fmt.Errorf("connection %d: %w", i, err)
		}
		c := &client{Conn: conn, number: i, writeResults: make(chan error, 1)}
		l.conns = append(l.conns, c)
		// So many of them, opened and closed again and again, would use up the
		// ports if each was kept for a while after its end.
		if err := conn.(*net.TCPConn).SetLinger(0); err != nil {
			l.close()
			return nil, err
		}
		c.exchange(1, 16)
		if c.err != nil {
			l.close()
			return nil, c.err
		}
	}
	return l, nil
}

func (l *load) close() {
	for _, c := range l.conns {
		c.Close()
	}
}

// exchange has every client send so many requests of size bytes, at least 8, all
// clients at once, and returns the time from request to reply of each.
func (l *load) exchange(requests, size int) ([]time.Duration, error) {
	var wg sync.WaitGroup
	for _, c := range l.conns {
		wg.Go(func() { c.exchange(requests, size) })
	}
	wg.Wait()
	var latencies []time.Duration
	var errs []error
	for _, c := range l.conns {
		latencies = append(latencies, c.latencies...)
		errs = append(errs, c.err)
	}
	return latencies, errors.Join(errs...)
}

// exchange leaves its results in c.latencies and c.err.
func (c *client) exchange(requests, size int) {
	c.latencies, c.err = make([]time.Duration, 0, requests), c.SetDeadline(time.Now().Add(patience))
	if len(c.request) != size {
		c.request, c.reply = make([]byte, size), make([]byte, size)
		for i := range c.request {
			c.request[i] = byte(i + c.number)
		}
	}
	for range requests {
		if c.err != nil {
			return
		}
		c.sent++
		binary.LittleEndian.PutUint64(c.request, c.sent) // no two requests are alike
		began := time.Now()
		c.err = c.roundTrip()
		c.latencies = append(c.latencies, time.Since(began))
	}
}

// roundTrip sends the request and checks the reply.
func (c *client) roundTrip() error {
	const fits = 32 << 10 // the buffers of sockets take that much, whatever the server does
	if len(c.request) <= fits {
		if _, err := c.Write(c.request); err != nil {
			return fmt.Errorf("connection %d, request %d: %w", c.number, c.sent, err)
		}
	} else {
		// A server may stop reading until it has written, so read meanwhile.
		go func() {
			_, err := c.Write(c.request)
			c.writeResults <- err
		}()
		defer func() { <-c.writeResults }()
	}
	if _, err := io.ReadFull(c.Conn, c.reply); err != nil {
		return fmt.Errorf("connection %d, reply %d: %w", c.number, c.sent, err)
	}
	if !bytes.Equal(c.reply, c.request) {
		return fmt.Errorf("connection %d, reply %d is not what was sent", c.number, c.sent)
	}
	return nil
}
