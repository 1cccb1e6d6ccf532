package connection

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"syscall"

	"github.com/go-braid/braid/internal/parcel"
	"github.com/go-braid/braid/multiprocessing"
	"github.com/go-braid/braid/strand"
)

// Dial connects to a [Listener] at an address as in [Listen], whose key it must have.
// ErrAuth says that the two keys differ; what is at the address may also be no Listener
// at all, which an error says within Config.HandshakeTimeout. Dial waits, as
// coroutines wait, and returns strand.Err(ctx) if ctx is done first. Then nothing is
// left of the connection.
//
// A Listener that was asked for more connections than it can take, or that closes,
// may hang up after Dial has returned: then the first receive returns io.EOF.
func Dial(ctx context.Context, network, address string, key []byte, cfg Config) (*multiprocessing.Conn, error) {
	cfg, err := cfg.check(network, key)
	if err != nil {
		return nil, err
	}
	if network == "unix" {
		if err := checkPath(address); err != nil {
			return nil, err
		}
	}
	key = bytes.Clone(key)
	var c *multiprocessing.Conn
	op := strand.Op{Kind: strand.OpConnect, Access: strand.Write}
	err = parcel.Aside(ctx, op, func(ctx context.Context) (err error) {
		c, err = dial(ctx, network, address, key, cfg)
		if err != nil && ctx.Err() != nil {
			return strand.Err(ctx)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("connection: dial %s %s: %w", network, address, err)
	}
	return c, nil
}

func dial(ctx context.Context, network, address string, key []byte, cfg Config) (*multiprocessing.Conn, error) {
	d := net.Dialer{}
	if network == "unix" {
		network = socketNetwork
	} else {
		d.Control = controlHost(cfg)
	}
	nc, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	remote := nc.RemoteAddr()
	t, err := shake(ctx, nc, key, cfg, present)
	if err != nil {
		return nil, err
	}
	return multiprocessing.NewConn(t, remote), nil
}

// controlHost refuses addresses that cfg does not allow, before they are used.
func controlHost(cfg Config) func(network, address string, c syscall.RawConn) error {
	return func(_, address string, _ syscall.RawConn) error { return cfg.checkHost(address) }
}
