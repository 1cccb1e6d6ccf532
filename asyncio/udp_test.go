package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/go-braid/braid/asyncio"
	"github.com/go-braid/braid/strand"
)

var _ net.PacketConn = (*asyncio.PacketConn)(nil)

func TestPackets(t *testing.T) {
	onLoop(t, func(ctx context.Context) error {
		a, err := asyncio.ListenPacket(ctx, "udp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer a.Close()
		b, err := asyncio.ListenPacket(ctx, "udp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer b.Close()
		buf := make([]byte, 10)
		for _, c := range []struct{ sent, got string }{{"hello", "hello"}, {"", ""}, {"twelve bytes", "twelve byt"}, {"x", "x"}} {
			receiver := asyncio.Go(ctx, func(ctx context.Context) error {
				n, from, err := b.ReadFrom(buf)
				if err != nil {
					return err
				}
				if string(buf[:n]) != c.got || from.String() != a.LocalAddr().String() {
					return fmt.Errorf("got %q from %v, want %q from %v", buf[:n], from, c.got, a.LocalAddr())
				}
				return nil
			})
			if err := strand.Yield(ctx); err != nil {
				return err
			}
			if n, err := a.WriteTo([]byte(c.sent), b.LocalAddr()); err != nil || n != len(c.sent) {
				return fmt.Errorf("WriteTo: %d, %v", n, err)
			}
			if err := receiver.Join(ctx); err != nil {
				return err
			}
		}
		if err := b.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
			return err
		}
		if _, _, err := b.ReadFrom(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("ReadFrom: %v, want a timeout", err)
		}
		if _, err := a.WriteTo(buf, &net.TCPAddr{}); err == nil {
			return errors.New("WriteTo a TCP address has succeeded")
		}
		return nil
	})
}

// TestPacketsUnreachable sends to a port where nobody is: the error comes once, and
// the socket stays good.
func TestPacketsUnreachable(t *testing.T) {
	onLoop(t, func(ctx context.Context) error {
		gone, err := asyncio.ListenPacket(ctx, "udp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		addr := gone.LocalAddr()
		if err := gone.Close(); err != nil {
			return err
		}
		c, err := asyncio.Dial(ctx, "udp", addr.String())
		if err != nil {
			return err
		}
		defer c.Close()
		if _, err := c.Write([]byte("anybody?")); err != nil {
			return err
		}
		buf := make([]byte, 10)
		if _, err := c.Read(buf); !errors.Is(err, syscall.ECONNREFUSED) {
			return fmt.Errorf("Read: %v, want ECONNREFUSED", err)
		}
		again, err := asyncio.ListenPacket(ctx, "udp", addr.String())
		if err != nil {
			return fmt.Errorf("listening again: %w", err)
		}
		defer again.Close()
		if _, err := c.Write(nil); err != nil { // an empty packet is one
			return err
		}
		n, from, err := again.ReadFrom(buf)
		if err != nil || n != 0 {
			return fmt.Errorf("ReadFrom: %d, %v", n, err)
		}
		if _, err := again.WriteTo([]byte("here"), from); err != nil {
			return err
		}
		if n, err := c.Read(buf); err != nil || string(buf[:n]) != "here" {
			return fmt.Errorf("Read: %q, %v", buf[:n], err)
		}
		// To one that is gone, without a connection: no error, or one that is not
		// the end.
		again.WriteTo([]byte("x"), &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9})
		if _, err := again.WriteTo([]byte("there"), from); err != nil {
			return err
		}
		n, err = c.Read(buf)
		if err != nil || string(buf[:n]) != "there" {
			return fmt.Errorf("Read: %q, %v", buf[:n], err)
		}
		return nil
	})
}
