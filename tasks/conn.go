package tasks

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
)

// maxHeader bounds the header of a response, with those of the provisional
// responses before it.
const maxHeader = 10 << 20

// A conn is a connection of a loop to a server or proxy. A coroutine at a time
// uses it.
type conn struct {
	route    route
	pool     *connPool
	wire     wire
	over     net.Conn // the wire, or TLS over it
	reader   *bufio.Reader
	received int64 // bytes of the present response
	room     int64 // for more of its header
	idle     bool  // it was idle when the pool was last swept
}

func newConn(r route, raw contextConn) *conn {
	c := &conn{route: r}
	c.wire.contextConn = raw
	c.over = &c.wire
	c.reader = bufio.NewReader(c)
	return c
}

// close closes the connection at once. TLS does not say goodbye, which might wait;
// HTTP knows by itself where a message ends.
func (c *conn) close() { _ = c.wire.Close() }

var errHeaderTooLong = fmt.Errorf("the header of the response is longer than %d MiB", maxHeader>>20)

// Read reads for the reader of responses.
func (c *conn) Read(p []byte) (int, error) {
	if c.room <= 0 {
		return 0, errHeaderTooLong
	}
	n, err := c.over.Read(p[:min(int64(len(p)), c.room)])
	c.received += int64(n)
	c.room -= int64(n)
	return n, err
}

// exchange sends a request and returns the response. When its body is read to the
// end, the connection goes back to the pool.
func (c *conn) exchange(req *http.Request) (*http.Response, error) {
	write := req.Write
	if c.route.throughProxy() {
		write = req.WriteProxy
	}
	resp, err := c.roundTrip(req, write)
	if err != nil {
		return nil, err
	}
	keep := !resp.Close && !req.Close && resp.StatusCode != http.StatusSwitchingProtocols
	if resp.Body == http.NoBody {
		c.release(keep)
	} else {
		resp.Body = &body{conn: c, from: resp.Body, keep: keep}
	}
	return resp, nil
}

// roundTrip sends a request by write and reads the response, but for its body.
func (c *conn) roundTrip(req *http.Request, write func(io.Writer) error) (*http.Response, error) {
	c.wire.ctx = req.Context()
	c.received, c.room = 0, maxHeader
	if err := write(c.over); err != nil {
		return nil, err
	}
	for {
		resp, err := http.ReadResponse(c.reader, req)
		if err != nil {
			return nil, err
		}
		if resp.StatusCode >= 200 || resp.StatusCode == http.StatusSwitchingProtocols {
			c.room = math.MaxInt64
			return resp, nil
		}
	}
}

// release gives the connection back to its pool or, if it is not fit for another
// request, closes it.
func (c *conn) release(fit bool) {
	if fit && c.reader.Buffered() == 0 {
		c.wire.ctx = nil
		c.pool.put(c)
	} else {
		c.close()
	}
}

// A body is the body of a response.
type body struct {
	conn *conn
	from io.Reader
	keep bool  // the connection, when the body has been read to its end
	err  error // not nil: it is over
}

// Read implements [io.Reader].
func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.from.Read(p)
	if err != nil {
		b.err = err
		b.conn.release(err == io.EOF && b.keep)
	}
	return n, err
}

// Close implements [io.Closer]. What has not been read is not waited for.
func (b *body) Close() error {
	if b.err == nil {
		b.err = http.ErrBodyReadAfterClose
		b.conn.release(false)
	}
	return nil
}

// A wire is a connection whose waits obey the context of the request that uses it,
// and not only that of the coroutine: a limit on the time of a task ends the one
// and not the other.
type wire struct {
	contextConn
	ctx context.Context
}

// A contextConn is a connection of a loop: see [asyncio.Conn].
type contextConn interface {
	net.Conn
	ReadContext(ctx context.Context, p []byte) (int, error)
	WriteContext(ctx context.Context, p []byte) (int, error)
}

// Read implements [net.Conn].
func (w *wire) Read(p []byte) (int, error) { return w.ReadContext(w.ctx, p) }

// Write implements [net.Conn].
func (w *wire) Write(p []byte) (int, error) { return w.WriteContext(w.ctx, p) }
