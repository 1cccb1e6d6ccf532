package connection

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"time"
	"unsafe"

	"github.com/go-braid/braid/internal/parcel"
)

// Two sides that want to talk prove to each other that they have the same key, and agree
// on the largest message, before anything else is read:
//
//	listener → dialler  a hello
//	dialler → listener  a hello, and a proof
//	listener → dialler  a verdict, and a proof if that is good
//
// A hello says which version of the protocol the side speaks, how it writes numbers, how
// large a message it takes, and holds 32 random bytes. A proof is the HMAC-SHA256, under
// the key, of the role of the side that gives it and of both hellos. So a proof is worth
// nothing at another time (the other side's random bytes are new), from the mouth of the
// other role, or if somebody has changed a version or a limit on the way. The dialler
// proves first: a listener computes no proofs for strangers.
//
// The shape, a challenge to each side, is that of Python's multiprocessing.connection.

// ErrAuth says that the two sides of a connection do not have the same key.
var ErrAuth = errors.New("authentication failed: the two sides do not have the same key")

const (
	helloMagic    = "braid-conn"
	helloVersion  = 1
	nonceSize     = 32
	helloSize     = len(helloMagic) + 1 + 1 + 8 + nonceSize
	maxHandshake  = 128 // the longest message of a handshake, in bytes
	roleDialler   = "braid: the side that has dialled"
	roleListener  = "braid: the side that has listened"
	verdictGood   = 1
	verdictKey    = 2
	verdictSpeech = 3
)

// speech says how this program writes the memory of numbers: the two sides must do it
// alike.
var speech = func() byte {
	b := byte(strconv.IntSize / 8)
	one := uint16(1)
	if *(*byte)(unsafe.Pointer(&one)) == 0 {
		b |= 0x80
	}
	return b
}()

// A hello is the beginning of a handshake.
type helloMessage struct {
	version byte
	speech  byte
	max     int64
	nonce   [nonceSize]byte
}

func newHello(limit int64) helloMessage {
	h := helloMessage{version: helloVersion, speech: speech, max: limit}
	_, _ = rand.Read(h.nonce[:]) // it never fails
	return h
}

func (h *helloMessage) append(b []byte) []byte {
	b = append(b, helloMagic...)
	b = append(b, h.version, h.speech)
	b = binary.BigEndian.AppendUint64(b, uint64(h.max))
	return append(b, h.nonce[:]...)
}

var errStranger = errors.New("the other side does not speak this protocol: is it multiprocessing.Listen, or Dial?")

// parseHello reads a hello. Of another version it reads no more than that.
func parseHello(b []byte) (h helloMessage, err error) {
	if len(b) < len(helloMagic)+1 || string(b[:len(helloMagic)]) != helloMagic {
		return h, errStranger
	}
	b = b[len(helloMagic):]
	h.version = b[0]
	if h.version != helloVersion {
		return h, fmt.Errorf("the other side speaks version %d of the protocol, this program %d: build both with the same version of braid", h.version, helloVersion)
	}
	if len(b) != helloSize-len(helloMagic) {
		return h, errStranger
	}
	h.speech = b[1]
	limit := binary.BigEndian.Uint64(b[2:])
	if limit == 0 || limit > 1<<62 {
		return h, errStranger
	}
	h.max = int64(limit)
	copy(h.nonce[:], b[10:])
	return h, nil
}

// prove returns what role proves with, given the hellos of both sides.
func prove(key []byte, role string, listener, dialler []byte) []byte {
	m := hmac.New(sha256.New, key)
	for _, s := range [][]byte{[]byte(role), listener, dialler} {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(s)))
		m.Write(n[:])
		m.Write(s)
	}
	return m.Sum(nil)
}

// A courier carries the messages of a handshake.
type courier interface {
	put(b []byte) error
	get() ([]byte, error)
}

// welcome is the listener's side of a handshake. It returns how large a message may be.
func welcome(c courier, key []byte, limit int64) (int64, error) {
	mine := newHello(limit)
	ours := mine.append(nil)
	if err := c.put(ours); err != nil {
		return 0, err
	}
	b, err := c.get()
	if err != nil {
		return 0, err
	}
	theirs, proof := b, []byte(nil)
	if len(b) >= helloSize {
		theirs, proof = b[:helloSize], b[helloSize:]
	}
	h, err := parseHello(theirs)
	if err != nil {
		_ = c.put([]byte{verdictSpeech})
		return 0, err
	}
	if !hmac.Equal(proof, prove(key, roleDialler, ours, theirs)) {
		_ = c.put([]byte{verdictKey})
		return 0, ErrAuth
	}
	if h.speech != speech {
		_ = c.put([]byte{verdictSpeech})
		return 0, errSpeech
	}
	return min(limit, h.max), c.put(append([]byte{verdictGood}, prove(key, roleListener, ours, theirs)...))
}

var errSpeech = errors.New("the other side is of another architecture, and writes numbers in another way")

// present is the dialler's side of a handshake.
func present(c courier, key []byte, limit int64) (int64, error) {
	theirs, err := c.get()
	if err != nil {
		return 0, err
	}
	h, err := parseHello(theirs)
	if err != nil {
		return 0, err
	}
	mine := newHello(limit)
	ours := mine.append(nil)
	if err := c.put(append(ours, prove(key, roleDialler, theirs, ours)...)); err != nil {
		return 0, err
	}
	b, err := c.get()
	switch {
	case err != nil:
		return 0, err
	case len(b) == 1 && b[0] == verdictKey:
		return 0, ErrAuth
	case len(b) == 1 && b[0] == verdictSpeech:
		return 0, errSpeech
	case len(b) < 1 || b[0] != verdictGood:
		return 0, errStranger
	case !hmac.Equal(b[1:], prove(key, roleListener, theirs, ours[:helloSize])):
		return 0, ErrAuth
	case h.speech != speech:
		return 0, errSpeech
	}
	return min(limit, h.max), nil
}

// shake does one side of a handshake over c, and makes a transport of it, which it owns.
// On failure it closes c. It returns early if ctx is done.
func shake(ctx context.Context, c net.Conn, key []byte, cfg Config, side func(courier, []byte, int64) (int64, error)) (parcel.Transport, error) {
	_ = c.SetDeadline(time.Now().Add(cfg.HandshakeTimeout))
	over := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		_ = c.SetDeadline(parcel.LongAgo)
		close(over)
	})
	var post courier = &letters{c}
	packed := isPacked(c)
	if packed {
		post = &packetLetters{c}
	}
	limit, err := side(post, key, cfg.MaxMessage)
	if !stop() {
		<-over
		if err == nil {
			err = context.Cause(ctx)
		}
	}
	if err != nil {
		_ = c.Close()
		return nil, explainHandshake(ctx, err, cfg.HandshakeTimeout)
	}
	_ = c.SetDeadline(time.Time{})
	if !packed {
		return newStream(c, limit), nil
	}
	defer c.Close()
	f, err := c.(*net.UnixConn).File()
	if err != nil {
		return nil, err
	}
	t, err := parcel.OpenPackets(f, limit)
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return t, nil
}

// explainHandshake says what a failure means.
func explainHandshake(ctx context.Context, err error, timeout time.Duration) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("the other side did not complete the handshake within %v: %w", timeout, context.DeadlineExceeded)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), isPeerGone(err):
		return fmt.Errorf("the other side hung up in the middle of the handshake: it is closing, too busy, or does not speak this protocol: %w", err)
	}
	return err
}

// letters carries the messages of a handshake over a stream, with their lengths in front.
type letters struct{ c net.Conn }

func (l *letters) put(b []byte) error {
	_, err := l.c.Write(append([]byte{byte(len(b) >> 8), byte(len(b))}, b...))
	return err
}

func (l *letters) get() ([]byte, error) {
	var size [2]byte
	if _, err := io.ReadFull(l.c, size[:]); err != nil {
		return nil, err
	}
	n := int(size[0])<<8 | int(size[1])
	if n > maxHandshake {
		return nil, errStranger
	}
	b := make([]byte, n)
	_, err := io.ReadFull(l.c, b)
	return b, err
}

// packetLetters carries them in packets.
type packetLetters struct{ c net.Conn }

func (l *packetLetters) put(b []byte) error {
	_, err := l.c.Write(b)
	return err
}

func (l *packetLetters) get() ([]byte, error) {
	// Open files that come along are not taken: the system closes them.
	b := make([]byte, maxHandshake+1)
	n, err := l.c.Read(b)
	switch {
	case err != nil:
		return nil, err
	case n > maxHandshake:
		return nil, errStranger
	}
	return b[:n], nil
}

// isPacked reports whether c keeps messages apart.
func isPacked(c net.Conn) bool {
	u, ok := c.(*net.UnixConn)
	return ok && u.LocalAddr().Network() == "unixpacket"
}
