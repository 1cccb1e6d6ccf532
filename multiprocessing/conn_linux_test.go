package multiprocessing

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/go-braid/braid/internal/codec"
	"github.com/go-braid/braid/internal/parcel"
	"github.com/go-braid/braid/internal/proctest"
	"github.com/go-braid/braid/internal/shm"
	"github.com/go-braid/braid/internal/wire"
	"golang.org/x/sys/unix"
)

// inline is what a packet holds of a message.
const inline = 64 << 10

// packetPair returns a Conn, and the other end to send packets on that are made by hand.
func packetPair(t testing.TB, limit int64) (*Conn, *parcel.Packets) {
	t.Helper()
	a, b, err := parcel.NewPackets(limit)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = a.Close()
		_ = b.Close()
	})
	return NewConn(a, nil), b
}

// throw sends a packet as it is.
func throw(t testing.TB, p *parcel.Packets, b []byte, files ...*os.File) {
	t.Helper()
	err := wire.WithDescriptors(files, func(fds []int) error {
		var rights []byte
		if len(fds) > 0 {
			rights = unix.UnixRights(fds...)
		}
		return wire.WithDescriptors([]*os.File{p.File()}, func(own []int) error {
			return unix.Sendmsg(own[0], b, rights, nil, unix.MSG_NOSIGNAL)
		})
	})
	if err != nil {
		t.Fatal(err)
	}
}

func packet(kind parcel.Kind, more byte, shape codec.Shape, files uint32, total uint64, body []byte) []byte {
	b := []byte{byte(kind), more, shape[0], shape[1]}
	b = binary.LittleEndian.AppendUint32(b, files)
	b = binary.LittleEndian.AppendUint64(b, total)
	return append(b, body...)
}

func memory(t testing.TB, size int64) *os.File {
	t.Helper()
	f, err := shm.Create("test", size)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// TestPacketNonsense: a packet that makes no sense is an error and is dropped, with its
// files. The next one is received.
func TestPacketNonsense(t *testing.T) {
	proctest.Check(t)
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	const limit = 200 << 10
	start := bytes.Repeat([]byte{1}, inline)
	fd, err := unix.MemfdCreate("unsealed", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	unsealed := os.NewFile(uintptr(fd), "unsealed")
	defer unsealed.Close()
	if err := unsealed.Truncate(100); err != nil {
		t.Fatal(err)
	}
	none := codec.Shape{}
	for name, c := range map[string]struct {
		packet []byte
		files  []*os.File
		want   string
	}{
		"short":            {packet: make([]byte, parcel.HeaderSize-1), want: "no sense"},
		"kind 0":           {packet: packet(0, 0, none, 0, 0, nil), want: "no sense"},
		"kind 3":           {packet: packet(3, 0, none, 0, 0, nil), want: "no sense"},
		"flag":             {packet: packet(1, 2, none, 0, 0, nil), want: "no sense"},
		"length":           {packet: packet(1, 0, none, 0, 5, []byte("abcd")), want: "no sense"},
		"negative":         {packet: packet(1, 1, none, 0, 1<<63, start), want: "no sense"},
		"bytes with files": {packet: packet(1, 0, none, 1, 0, nil), files: []*os.File{null}, want: "no sense"},
		"longer":           {packet: packet(1, 0, none, 0, inline+1, append(start, 1)), want: "no sense"},
		"far longer":       {packet: packet(1, 0, none, 0, 100<<10, make([]byte, 100<<10)), want: "no sense"},
		"too large":        {packet: packet(1, 1, none, 0, limit+1, start), files: []*os.File{memory(t, limit+1-inline)}, want: "MaxMessage"},
		"file missing":     {packet: packet(2, 0, none, 1, 0, nil), want: "should have 1 open files and came with 0"},
		"memory missing":   {packet: packet(1, 1, none, 0, inline+1, start), want: "should have 1 open files and came with 0"},
		"file too much":    {packet: packet(1, 0, none, 0, 0, nil), files: []*os.File{null, null}, want: "came with 2"},
		"no memory":        {packet: packet(1, 1, none, 0, inline+1, start), files: []*os.File{null}, want: "not where it should be"},
		"unsealed memory":  {packet: packet(1, 1, none, 0, inline+100, start), files: []*os.File{unsealed}, want: "not where it should be"},
		"small memory":     {packet: packet(1, 1, none, 0, inline+100, start), files: []*os.File{memory(t, 99)}, want: "99 bytes and should have 100"},
		"large memory":     {packet: packet(2, 1, none, 1, inline+100, start), files: []*os.File{memory(t, 101), null}, want: "101 bytes and should have 100"},
		"little":           {packet: packet(1, 1, none, 0, inline, start), files: []*os.File{memory(t, 1)}, want: "no sense"},
		"no beginning":     {packet: packet(1, 1, none, 0, 100, nil), files: []*os.File{memory(t, 100)}, want: "no sense"},
	} {
		t.Run(name, func(t *testing.T) {
			proctest.Check(t)
			conn, other := packetPair(t, limit)
			throw(t, other, c.packet, c.files...)
			_, err := conn.RecvBytes(t.Context())
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("RecvBytes = %v, want an error with %q", err, c.want)
			}
			throw(t, other, packet(1, 0, none, 0, 4, []byte("next")))
			if got, err := conn.RecvBytes(t.Context()); err != nil || string(got) != "next" {
				t.Errorf("the next message is %q, %v", got, err)
			}
		})
	}
}

// TestMissingFile: a value speaks of files that did not come with it.
func TestMissingFile(t *testing.T) {
	proctest.Check(t)
	conn, other := packetPair(t, 1<<20)
	throw(t, other, packet(parcel.Value, 0, codec.Shape{}, 0, 2, []byte{0x41, 0}))
	if _, err := Recv[File](t.Context(), conn); err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("a file that did not come: %v", err)
	}
	throw(t, other, packet(parcel.Value, 0, codec.Shape{}, 0, 4, []byte{0x43, 0, 0, 1}))
	if _, err := Recv[*Conn](t.Context(), conn); err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("an end that did not come: %v", err)
	}
}

// TestNoEnd: what comes for the end of a pipe is something else, and is closed.
func TestNoEnd(t *testing.T) {
	proctest.Check(t)
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	files := map[string]*os.File{"a device": null}
	for name, kind := range map[string]int{"a stream": unix.SOCK_STREAM | unix.SOCK_NONBLOCK, "a socket that blocks": unix.SOCK_SEQPACKET} {
		fds, err := unix.Socketpair(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, fd := range fds {
			files[name] = os.NewFile(uintptr(fd), name)
			defer files[name].Close()
		}
	}
	for name, f := range files {
		conn, other := packetPair(t, 1<<20)
		throw(t, other, packet(parcel.Value, 0, codec.Shape{}, 1, 4, []byte{0x43, 0, 0, 1}), f)
		if c, err := Recv[*Conn](t.Context(), conn); err == nil {
			t.Errorf("%s was taken for the end of a pipe: %v", name, c)
		}
	}
	// And so is what is badly written.
	f, g := null, null
	for _, b := range []string{"\x42\x00\x00", "\x43\x03\x00\x01", "\x43\x00\x00\x00", "\x44\x00\x00\x01\x01", "\x43\x00\x00\x80", "\x00", "\x40"} {
		conn, other := packetPair(t, 1<<20)
		throw(t, other, packet(parcel.Value, 0, codec.Shape{}, 2, uint64(len(b)), []byte(b)), f, g)
		if c, err := Recv[*Conn](t.Context(), conn); err == nil {
			t.Errorf("%x was taken for the end of a pipe: %v", b, c)
		}
	}
}

// TestLittleRoom: where the system gives a socket little room, packets are small.
func TestLittleRoom(t *testing.T) {
	proctest.Check(t)
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	var ends [2]*Conn
	for i, fd := range fds {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 1); err != nil {
			t.Fatal(err)
		}
		p, err := parcel.OpenPackets(os.NewFile(uintptr(fd), "tight"), 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		ends[i] = NewConn(p, nil)
		defer ends[i].Close()
	}
	for _, n := range []int{0, 1, 1000, 5000, 64 << 10, 1 << 20} {
		want := bytes.Repeat([]byte{byte(n), 1, 2}, n/3)
		if err := ends[0].SendBytes(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		if got, err := ends[1].RecvBytes(t.Context()); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes: %d came, %v", len(want), len(got), err)
		}
	}
}

// FuzzPacket receives packets that are made of anything.
func FuzzPacket(f *testing.F) {
	f.Add([]byte{}, uint8(0))
	f.Add(packet(1, 0, codec.Shape{}, 0, 5, []byte("hello")), uint8(0))
	f.Add(packet(2, 0, codec.Shape{}, 1, 2, []byte{0x41, 0}), uint8(0x43))
	f.Add(packet(2, 0, codec.Shape{}, 0, 3, []byte("\xa1dText\xa0")), uint8(3))
	f.Add(packet(1, 1, codec.Shape{}, 0, inline+1, make([]byte, inline)), uint8(0x41))
	f.Fuzz(func(t *testing.T, b []byte, as uint8) {
		if len(b) > 150<<10 {
			return
		}
		a, other, err := parcel.NewPackets(1 << 20)
		if err != nil {
			t.Fatal(err)
		}
		c := NewConn(a, nil)
		defer c.Close()
		var files []*os.File
		for range as >> 6 {
			files = append(files, other.File())
		}
		throw(t, other, b, files...)
		_ = other.Close()
		_ = receiveAs(c, as)
		// Whatever that was, the end comes after it.
		if as%8 == 7 {
			_, _ = c.RecvBytes(context.Background())
		}
		if _, err := c.RecvBytes(context.Background()); err != io.EOF {
			t.Fatalf("after the packet: %v, want io.EOF", err)
		}
	})
}

// fuzzed is a type with a bit of everything.
type fuzzed struct {
	Text  string
	Count map[string]int
	Next  *fuzzed
	Any   any
	File  File
	End   *Conn
	Raw   []float32
}

// receiveAs receives a value as one of several types.
func receiveAs(c *Conn, as uint8) (err error) {
	ctx := context.Background()
	switch as % 8 {
	case 0:
		_, err = c.RecvBytes(ctx)
	case 1:
		_, err = Recv[int](ctx, c)
	case 2:
		_, err = Recv[string](ctx, c)
	case 3:
		var v fuzzed
		if v, err = Recv[fuzzed](ctx, c); err == nil {
			for n := &v; n != nil; n = n.Next {
				if n.File.File != nil {
					_ = n.File.Close()
				}
				if n.End != nil {
					_ = n.End.Close()
				}
			}
		}
	case 4:
		_, err = Recv[[]float64](ctx, c)
	case 5:
		_, err = Recv[any](ctx, c)
	case 6:
		_, err = Recv[[]bool](ctx, c)
	case 7:
		err = c.Poll(ctx)
	}
	return err
}
