package asyncio

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/go-braid/braid/strand"
)

// handshakeTime is how long a handshake may take.
const handshakeTime = 30 * time.Second

// TLSClient does the handshake of a TLS client on c, and returns the connection that
// is protected by it. It waits until ctx is done at most, and 30 seconds, and closes
// c if the handshake fails. Cfg must have a ServerName, or InsecureSkipVerify.
//
// On any [net.Conn] of a loop, [tls.Client] and [tls.Server] work as well. Through
// this function no goroutine is needed to watch ctx. Close sends the peer that the
// stream ends, for which it waits 5 seconds at most; CloseWrite does that alone, and
// what the peer still sends can be read.
func TLSClient(ctx context.Context, c *Conn, cfg *tls.Config) (*tls.Conn, error) {
	return handshake(ctx, c, func(c net.Conn) *tls.Conn { return tls.Client(c, cfg) })
}

// TLSServer does the handshake of a TLS server on c: see [TLSClient]. Cfg must have a
// certificate. It is best called by the handler of the connection, which then holds
// up nobody else.
func TLSServer(ctx context.Context, c *Conn, cfg *tls.Config) (*tls.Conn, error) {
	return handshake(ctx, c, func(c net.Conn) *tls.Conn { return tls.Server(c, cfg) })
}

// DialTLS is [Dial] and [TLSClient]: cfg may be nil, and its ServerName is taken from
// address if it has none.
func DialTLS(ctx context.Context, network, address string, cfg *tls.Config) (*tls.Conn, error) {
	if cfg == nil {
		cfg = &tls.Config{}
	}
	if cfg.ServerName == "" && !cfg.InsecureSkipVerify {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, fail("dial", network, nil, nil, err)
		}
		cfg = cfg.Clone()
		cfg.ServerName = host
	}
	c, err := Dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return TLSClient(ctx, c.(*Conn), cfg)
}

// A handshaker is a Conn that obeys a context of its own until the handshake is
// done.
type handshaker struct {
	*Conn
	ctx context.Context // nil: the coroutine's
}

// Read implements [net.Conn].
func (h *handshaker) Read(p []byte) (int, error) {
	if h.ctx == nil {
		return h.Conn.Read(p)
	}
	return h.Conn.ReadContext(h.ctx, p)
}

// Write implements [net.Conn].
func (h *handshaker) Write(p []byte) (int, error) {
	if h.ctx == nil {
		return h.Conn.Write(p)
	}
	return h.Conn.WriteContext(h.ctx, p)
}

// NetConn returns the connection below.
func (h *handshaker) NetConn() net.Conn { return h.Conn }

func handshake(ctx context.Context, c *Conn, protect func(net.Conn) *tls.Conn) (*tls.Conn, error) {
	limited, cancel := context.WithTimeoutCause(ctx, handshakeTime,
		fmt.Errorf("the peer has not done its part of the handshake within %v", handshakeTime))
	defer cancel()
	h := &handshaker{Conn: c, ctx: limited}
	t := protect(h)
	done := false
	defer func() {
		if !done {
			_ = c.Close()
		}
	}()
	// A context that is never done spares tls the goroutine that watches it.
	if err := t.HandshakeContext(context.WithoutCancel(limited)); err != nil {
		if limited.Err() != nil && !errors.Is(err, context.Cause(limited)) {
			err = errors.Join(err, strand.Err(limited))
		}
		return nil, fail("handshake", c.network, c.local, c.remote, timely(err))
	}
	h.ctx = nil
	done = true
	return t, nil
}
