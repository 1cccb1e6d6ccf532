package multiprocessing

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/go-braid/braid/internal/codec"
	"github.com/go-braid/braid/internal/parcel"
)

// A PipeConfig says how a pipe is made. The zero PipeConfig is a good one.
type PipeConfig struct {
	// Simplex makes a pipe for one direction: its first end receives, and its
	// second end sends.
	Simplex bool

	// MaxMessage bounds the size of a message, in bytes, as it travels; 0 means
	// 1 GiB.
	MaxMessage int64
}

// NewPipe makes a pipe and returns its two ends. What is sent on one is received on
// the other.
//
// To give an end to another process, put it into the argument of a call or of [Start].
// The end stays open here as well: whoever wants to notice that the others are gone
// closes his own copy when the process has it, which is when Start has returned, or
// when the call is complete or has given a sign of life.
//
// A pipe is a Unix socket of the type SOCK_SEQPACKET, on which the system itself keeps
// messages whole. Messages beyond 64 KiB travel in part as sealed memory that is passed
// along. At most some 200 KiB of messages are on the way, beside such memory, of which
// there are a handful at most; then Send waits. Pipes need Linux; elsewhere NewPipe
// returns an error that matches errors.ErrUnsupported. It does not block.
func NewPipe(cfg PipeConfig) (a, b *Conn, err error) {
	limit, err := checkMaxMessage(cfg.MaxMessage)
	if err != nil {
		return nil, nil, err
	}
	t, u, err := parcel.NewPackets(limit)
	if err != nil {
		return nil, nil, fmt.Errorf("multiprocessing: %w", err)
	}
	a, b = NewConn(t, nil), NewConn(u, nil)
	if cfg.Simplex {
		a.way, b.way = receives, sends
	}
	return a, b, nil
}

func checkMaxMessage(limit int64) (int64, error) {
	switch {
	case limit < 0:
		return 0, fmt.Errorf("multiprocessing: the field MaxMessage is %d: it must not be negative; 0 is the default, 1 GiB", limit)
	case limit == 0:
		return defaultMaxMessage, nil
	}
	return limit, nil
}

// MarshalCBOR writes c for its way to another process. It fails elsewhere, if c is
// closed, and if it cannot travel.
func (c *Conn) MarshalCBOR() ([]byte, error) {
	if c.transport == nil {
		return nil, errNoConn
	}
	if c.closed.Load() {
		return nil, errors.New("the Conn was closed before it was sent to another process")
	}
	t, ok := c.transport.(*parcel.Packets)
	if !ok {
		return nil, fmt.Errorf("a Conn over a network cannot travel to another process: %w", errors.ErrUnsupported)
	}
	n, err := codec.AttachFile(t.File())
	if err != nil {
		return nil, err
	}
	return cborBytes(binary.AppendUvarint([]byte{byte(c.way), byte(n)}, uint64(c.max))), nil
}

// UnmarshalCBOR reads what MarshalCBOR has written.
func (c *Conn) UnmarshalCBOR(b []byte) error {
	b, err := parseCBORBytes(b)
	if err != nil {
		return err
	}
	if len(b) < 3 || way(b[0]) > sends || c.transport != nil {
		return errors.New("it is no end of a connection")
	}
	limit, n := binary.Uvarint(b[2:])
	if n != len(b)-2 || limit == 0 || limit > 1<<62 {
		return errors.New("it is no end of a connection")
	}
	f, err := codec.TakeFile(int(b[1]))
	if err != nil {
		return err
	}
	t, err := parcel.OpenPackets(f, int64(limit))
	if err != nil {
		_ = f.Close()
		return err
	}
	c.transport, c.way, c.max = t, way(b[0]), int64(limit)
	return nil
}
