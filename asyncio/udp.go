package asyncio

import (
	"context"
	"net"
	"syscall"
	"time"

	"github.com/go-braid/braid/strand"
)

// A PacketConn sends and receives packets over UDP, and parks the coroutine that
// waits for one. It is a [net.PacketConn]. As with a [Conn], Close may be called from
// any goroutine, and all else is for the coroutines of its loop; several may use it
// at once, and are served in the order of their calls.
//
// That a packet could not be delivered, of which the system may learn later, is the
// error of some operation after that, and no end of the PacketConn: others go on as
// before.
type PacketConn struct {
	packets
	addr    net.Addr
	network string
}

// What a platform defines: packets with the methods
//
//	readFrom, writeTo  as PacketConn has them
//	setReadDeadline, setWriteDeadline, setReadBuffer, setWriteBuffer
//	close, rawConn
//
// and listenPacket, which makes one.

// ListenPacket opens a UDP socket with a local address, as [net.ListenPacket] does:
// network is "udp", "udp4" or "udp6". It is for coroutines, and others run while it
// looks up a name.
func ListenPacket(ctx context.Context, network, addr string) (*PacketConn, error) {
	l, err := networkOf(ctx, "ListenPacket")
	if err != nil {
		return nil, fail("listen", network, nil, nil, err)
	}
	switch network {
	case "udp", "udp4", "udp6":
	default:
		return nil, fail("listen", network, nil, nil, net.UnknownNetworkError(network))
	}
	var pc net.PacketConn
	if err := l.elsewhere(ctx, strand.OpWait, func(ctx context.Context) (err error) {
		pc, err = (&net.ListenConfig{}).ListenPacket(ctx, network, addr)
		return err
	}, func() { pc.Close() }); err != nil {
		return nil, fail("listen", network, nil, nil, err)
	}
	c, err := l.listenPacket(pc, network)
	if err != nil {
		return nil, fail("listen", network, nil, pc.LocalAddr(), err)
	}
	return c, nil
}

// ReadFrom waits for a packet, puts it into p, and returns its size and the address
// that it came from, a [*net.UDPAddr]. What does not fit into p is lost. It obeys the
// context that the coroutine was started with.
func (c *PacketConn) ReadFrom(p []byte) (int, net.Addr, error) {
	n, from, err := c.packets.readFrom(own, p)
	return n, from, fail("read", c.network, c.addr, nil, err)
}

// ReadFromContext is [PacketConn.ReadFrom] that waits until ctx is done at most.
func (c *PacketConn) ReadFromContext(ctx context.Context, p []byte) (int, net.Addr, error) {
	n, from, err := c.packets.readFrom(ctx, p)
	return n, from, fail("read", c.network, c.addr, nil, err)
}

// WriteTo sends p, as a packet, to an address, which must be a [*net.UDPAddr]. It
// waits while the system has no room for the packet. It obeys the context that the
// coroutine was started with.
func (c *PacketConn) WriteTo(p []byte, to net.Addr) (int, error) {
	n, err := c.packets.writeTo(own, p, to)
	return n, fail("write", c.network, c.addr, to, err)
}

// WriteToContext is [PacketConn.WriteTo] that waits until ctx is done at most.
func (c *PacketConn) WriteToContext(ctx context.Context, p []byte, to net.Addr) (int, error) {
	n, err := c.packets.writeTo(ctx, p, to)
	return n, fail("write", c.network, c.addr, to, err)
}

// Close closes the socket. Coroutines that wait in an operation on it get
// [net.ErrClosed], and so does who closes it again.
func (c *PacketConn) Close() error { return fail("close", c.network, nil, c.addr, c.packets.close()) }

// LocalAddr returns the local address.
func (c *PacketConn) LocalAddr() net.Addr { return c.addr }

// SetDeadline sets the deadlines of reading and writing: see [net.PacketConn]. It has
// an effect on operations that wait already. The zero time means none.
func (c *PacketConn) SetDeadline(t time.Time) error {
	err := c.packets.setReadDeadline(t)
	if err == nil {
		err = c.packets.setWriteDeadline(t)
	}
	return fail("set", c.network, nil, c.addr, err)
}

// SetReadDeadline sets the deadline of ReadFrom.
func (c *PacketConn) SetReadDeadline(t time.Time) error {
	return fail("set", c.network, nil, c.addr, c.packets.setReadDeadline(t))
}

// SetWriteDeadline sets the deadline of WriteTo.
func (c *PacketConn) SetWriteDeadline(t time.Time) error {
	return fail("set", c.network, nil, c.addr, c.packets.setWriteDeadline(t))
}

// SetReadBuffer sets the size of the system's buffer for what has come, in bytes:
// packets that find no room in it are lost.
func (c *PacketConn) SetReadBuffer(bytes int) error {
	return fail("set", c.network, nil, c.addr, c.packets.setReadBuffer(bytes))
}

// SetWriteBuffer sets the size of the system's buffer for what is to be sent, in
// bytes.
func (c *PacketConn) SetWriteBuffer(bytes int) error {
	return fail("set", c.network, nil, c.addr, c.packets.setWriteBuffer(bytes))
}

// SyscallConn implements [syscall.Conn]: see [Conn.SyscallConn].
func (c *PacketConn) SyscallConn() (syscall.RawConn, error) { return c.packets.rawConn(), nil }
