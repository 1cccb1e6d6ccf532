package connection

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
)

var handshakeKey = []byte("0123456789abcdef0123456789abcdef")

// A post office carries the messages of a handshake between two goroutines, and has
// whoever tests look at them on the way.
type postOffice struct {
	in, out chan []byte
	pass    func(b []byte) []byte // nil: as it is
}

func (p *postOffice) put(b []byte) error {
	b = bytes.Clone(b)
	if p.pass != nil {
		b = p.pass(b)
	}
	p.out <- b
	return nil
}

func (p *postOffice) get() ([]byte, error) {
	b, ok := <-p.in
	if !ok {
		return nil, io.EOF
	}
	return b, nil
}

// outcome is how a handshake has ended for one side.
type outcome struct {
	limit int64
	err   error
}

// handshake does one with the keys and limits of a listener and a dialler. Tamper, if
// it is not nil, gets each message with its number, from 0, and may change it.
func handshake(listenKey, dialKey []byte, tamper func(i int, b []byte) []byte) (listener, dialler outcome) {
	up, down := make(chan []byte, 4), make(chan []byte, 4)
	l, d := &postOffice{in: up, out: down}, &postOffice{in: down, out: up}
	if tamper != nil {
		i := 0
		l.pass = func(b []byte) []byte { b = tamper(i, b); i += 2; return b }
		d.pass = func(b []byte) []byte { return tamper(1, b) }
	}
	done := make(chan outcome)
	go func() {
		defer close(down)
		limit, err := welcome(l, listenKey, 1000)
		done <- outcome{limit, err}
	}()
	dialler.limit, dialler.err = present(d, dialKey, 2000)
	close(up)
	return <-done, dialler
}

func TestHandshake(t *testing.T) {
	l, d := handshake(handshakeKey, bytes.Clone(handshakeKey), nil)
	if l.err != nil || d.err != nil || l.limit != 1000 || d.limit != 1000 {
		t.Errorf("the listener has %+v, the dialler %+v; want the smaller limit", l, d)
	}
	for _, other := range [][]byte{[]byte("x"), handshakeKey[1:], append(bytes.Clone(handshakeKey), 'x'), bytes.Repeat([]byte{0}, 100)} {
		l, d := handshake(handshakeKey, other, nil)
		if !errors.Is(l.err, ErrAuth) || !errors.Is(d.err, ErrAuth) {
			t.Errorf("with key %q: %v and %v, want ErrAuth", other, l.err, d.err)
		}
	}
}

// TestHandshakeTampered changes each bit of each message on its way. Both sides never
// succeed together: if a hello or the dialler's proof was changed neither does, and the
// dialler does not believe a verdict that was changed.
func TestHandshakeTampered(t *testing.T) {
	sizes := make(map[int]int)
	handshake(handshakeKey, handshakeKey, func(i int, b []byte) []byte { sizes[i] = len(b); return b })
	for message, size := range sizes {
		for bit := range 8 * size {
			l, d := handshake(handshakeKey, handshakeKey, func(i int, b []byte) []byte {
				if i == message {
					b[bit/8] ^= 1 << (bit % 8)
				}
				return b
			})
			if d.err == nil || l.err == nil && message != 2 {
				t.Errorf("with bit %d of message %d changed: the listener got %v, the dialler %v", bit, message, l.err, d.err)
			}
		}
		for cut := range size {
			l, d := handshake(handshakeKey, handshakeKey, func(i int, b []byte) []byte {
				if i == message {
					return b[:cut]
				}
				return b
			})
			if d.err == nil || l.err == nil && message != 2 {
				t.Errorf("with message %d cut to %d bytes: the listener got %v, the dialler %v", message, cut, l.err, d.err)
			}
		}
	}
	if len(sizes) != 3 {
		t.Errorf("a handshake has %d messages, want 3", len(sizes))
	}
}

// TestReplay sends a listener what a dialler has sent to it before.
func TestReplay(t *testing.T) {
	var recorded [3][]byte
	handshake(handshakeKey, handshakeKey, func(i int, b []byte) []byte { recorded[i] = bytes.Clone(b); return b })
	in, out := make(chan []byte, 1), make(chan []byte, 4)
	in <- recorded[1]
	if _, err := welcome(&postOffice{in: in, out: out}, handshakeKey, 1000); !errors.Is(err, ErrAuth) {
		t.Errorf("a listener that gets an old answer: %v", err)
	}
	// And a dialler what a listener has sent before.
	in, out = make(chan []byte, 2), make(chan []byte, 4)
	in <- recorded[0]
	in <- recorded[2]
	if _, err := present(&postOffice{in: in, out: out}, handshakeKey, 2000); !errors.Is(err, ErrAuth) {
		t.Errorf("a dialler that gets old messages: %v", err)
	}
}

// TestReflection gives a dialler his own proof back, and a listener its own hello.
func TestReflection(t *testing.T) {
	in, out := make(chan []byte, 2), make(chan []byte, 4)
	h := newHello(1000)
	in <- h.append(nil)
	done := make(chan error)
	go func() {
		_, err := present(&postOffice{in: in, out: out}, handshakeKey, 2000)
		done <- err
	}()
	answer := <-out
	in <- append([]byte{verdictGood}, answer[helloSize:]...)
	if err := <-done; !errors.Is(err, ErrAuth) {
		t.Errorf("a dialler that gets his own proof: %v", err)
	}

	in, out = make(chan []byte, 2), make(chan []byte, 4)
	go func() {
		_, err := welcome(&postOffice{in: in, out: out}, handshakeKey, 1000)
		done <- err
	}()
	hello := <-out
	in <- append(hello, prove(handshakeKey, roleListener, hello, hello)...)
	if err := <-done; !errors.Is(err, ErrAuth) {
		t.Errorf("a listener that gets its own hello, with a proof of its own role: %v", err)
	}

	// A proof that a dialler gave to one listener is worth nothing at another.
	in, out = make(chan []byte, 2), make(chan []byte, 4)
	go func() {
		_, err := welcome(&postOffice{in: in, out: out}, handshakeKey, 1000)
		done <- err
	}()
	<-out
	in <- answer
	if err := <-done; !errors.Is(err, ErrAuth) {
		t.Errorf("a listener that gets a proof for another: %v", err)
	}
}

// TestVersions: a side that speaks another version, or writes numbers in another way, is
// told so, and cannot be talked into anything.
func TestVersions(t *testing.T) {
	for message, who := range []string{"listener", "dialler"} {
		l, d := handshake(handshakeKey, handshakeKey, func(i int, b []byte) []byte {
			if i == message {
				b[len(helloMagic)] = 0
			}
			return b
		})
		err := d.err
		if message == 1 {
			err = l.err
		}
		if err == nil || !strings.Contains(err.Error(), "version 0 of the protocol, this program 1") || l.err == nil || d.err == nil {
			t.Errorf("a %s of version 0: the listener got %v, the dialler %v", who, l.err, d.err)
		}
	}
	defer func(s byte) { speech = s }(speech)
	in, out := make(chan []byte, 2), make(chan []byte, 4)
	done := make(chan error)
	go func() {
		_, err := welcome(&postOffice{in: in, out: out}, handshakeKey, 1000)
		done <- err
	}()
	theirs := <-out
	h := newHello(1)
	h.speech ^= 0x80
	ours := h.append(nil)
	in <- append(ours, prove(handshakeKey, roleDialler, theirs, ours)...)
	if err := <-done; err != errSpeech {
		t.Errorf("a dialler of another architecture: %v", err)
	}
	if b := <-out; !bytes.Equal(b, []byte{verdictSpeech}) {
		t.Errorf("it was told %x", b)
	}
}

// TestLetters: lengths are checked before anything is read.
func TestLetters(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	l := &letters{b}
	go func() { _, _ = a.Write([]byte{0, maxHandshake + 1}) }()
	if _, err := l.get(); err != errStranger {
		t.Errorf("a letter that is too long: %v", err)
	}
	go func() { _, _ = a.Write([]byte{255, 255}) }()
	if _, err := l.get(); err != errStranger {
		t.Errorf("a letter that is far too long: %v", err)
	}
	go func() { _ = (&letters{a}).put([]byte("hello")) }()
	if got, err := l.get(); err != nil || string(got) != "hello" {
		t.Errorf("a letter: %q, %v", got, err)
	}
	go func() {
		_, _ = a.Write([]byte{0, 9, 1})
		a.Close()
	}()
	if _, err := l.get(); err != io.ErrUnexpectedEOF {
		t.Errorf("a letter that is cut: %v", err)
	}
}

func TestCheckHost(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1:80": true, "127.9.9.9:80": true, "[::1]:80": true, "[::ffff:127.0.0.1]:80": true,
		"0.0.0.0:80": false, "[::]:80": false, ":80": false, "192.0.2.1:80": false, "[2001:db8::1]:80": false,
		"localhost:80": false, // names are resolved before
		"127.0.0.1":    false,
	} {
		if err := (Config{}).checkHost(address); (err == nil) != want {
			t.Errorf("%s: %v, allowed should be %v", address, err, want)
		}
		if err := (Config{AllowRemote: true}).checkHost(address); err != nil {
			t.Errorf("%s, allowed: %v", address, err)
		}
	}
}

// FuzzWelcome answers a listener whatever the fuzzer says. Nobody gets in.
func FuzzWelcome(f *testing.F) {
	h := newHello(1)
	hello := h.append(nil)
	f.Add([]byte{})
	f.Add(hello)
	f.Add(append(hello, prove([]byte("key"), roleDialler, hello, hello)...))
	f.Fuzz(func(t *testing.T, answer []byte) {
		in, out := make(chan []byte, 1), make(chan []byte, 2)
		in <- answer
		if _, err := welcome(&postOffice{in: in, out: out}, handshakeKey, 1000); err == nil {
			t.Fatal("somebody got in without the key")
		}
		if <-out; len(out) != 1 {
			t.Fatal("the dialler was not told")
		}
		if verdict := <-out; len(verdict) != 1 || verdict[0] == verdictGood {
			t.Fatalf("the dialler was told %x", verdict)
		}
	})
}

// FuzzPresent plays a listener to a dialler, who is not taken in.
func FuzzPresent(f *testing.F) {
	h := newHello(1)
	hello := h.append(nil)
	f.Add([]byte{}, []byte{})
	f.Add(hello, []byte{verdictKey})
	f.Add(hello, append([]byte{verdictGood}, prove([]byte("key"), roleListener, hello, hello)...))
	f.Fuzz(func(t *testing.T, hello, verdict []byte) {
		in, out := make(chan []byte, 2), make(chan []byte, 2)
		in <- hello
		in <- verdict
		if _, err := present(&postOffice{in: in, out: out}, handshakeKey, 1000); err == nil {
			t.Fatal("a dialler believes somebody without the key")
		}
	})
}
