package asyncio

import (
	"context"
	"errors"
	"net"
	"time"
)

// A Dialer makes connections. The zero Dialer is a good one, and what [Dial] uses.
type Dialer struct {
	// Timeout is how long Dial may take, with the look-up of the name; 0 means
	// as long as the context and the system allow.
	Timeout time.Duration

	// FallbackDelay is how long an attempt to connect to one of several
	// addresses may take before the next is tried beside it; 0 means 250 ms, and
	// negative that one is tried after the other.
	FallbackDelay time.Duration

	// LocalAddr is the address to connect from, a *net.TCPAddr, *net.UDPAddr or
	// *net.UnixAddr as fits the network; nil means that the system chooses.
	LocalAddr net.Addr

	// KeepAlive is the time between probes of an idle TCP connection; 0 means 15
	// seconds, and negative none.
	KeepAlive time.Duration

	// Resolver looks up names; nil means [net.DefaultResolver].
	Resolver *net.Resolver
}

// Dial connects to an address: network is "tcp", "tcp4", "tcp6", "udp", "udp4", "udp6"
// or "unix", and address as for [net.Dial]. The connection is a [*Conn]. See
// [Dialer.Dial].
func Dial(ctx context.Context, network, address string) (net.Conn, error) {
	var d Dialer
	return d.Dial(ctx, network, address)
}

// Dial connects to an address. If a name stands for several, those of both IP
// versions are tried in turn, each one when the one before has failed or FallbackDelay
// is over, and the first connection is kept (RFC 8305). The error is about all of
// them. It is for coroutines, and others run meanwhile; names are looked up on a
// goroutine. When ctx is done, or Timeout over, all attempts are closed.
func (d *Dialer) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	l, err := networkOf(ctx, "Dial")
	if err != nil {
		return nil, fail("dial", network, d.LocalAddr, nil, err)
	}
	switch network {
	case "tcp", "tcp4", "tcp6", "udp", "udp4", "udp6", "unix":
	default:
		return nil, fail("dial", network, d.LocalAddr, nil, net.UnknownNetworkError(network))
	}
	if d.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d.Timeout)
		defer cancel()
	}
	c, err := d.dial(ctx, l, network, address)
	if err != nil {
		return nil, fail("dial", network, d.LocalAddr, nil, timely(err))
	}
	return c, nil
}

// keepAlive returns what KeepAlive stands for.
func (d *Dialer) keepAlive() net.KeepAliveConfig {
	return net.KeepAliveConfig{Enable: d.KeepAlive >= 0, Idle: d.KeepAlive, Interval: d.KeepAlive}
}

// timeoutError is an error that says of itself that it is a timeout.
type timeoutError struct{ error }

func (timeoutError) Timeout() bool   { return true }
func (e timeoutError) Unwrap() error { return e.error }

// timely has err, if it is that of a context whose time is over, say so.
func timely(err error) error {
	if e, ok := err.(net.Error); errors.Is(err, context.DeadlineExceeded) && !(ok && e.Timeout()) {
		return timeoutError{err}
	}
	return err
}
