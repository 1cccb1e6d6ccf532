package multiprocessing

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/internal/codec"
	"github.com/go-braid/braid/internal/proctest"
	"github.com/go-braid/braid/internal/shm"
	"github.com/go-braid/braid/internal/wire"
	"golang.org/x/sys/unix"
)

// stubEnv has a worker be a stub: a process that speaks the protocol and does not mean
// well.
const stubEnv = "BRAID_TEST_STUB"

func init() {
	if how := os.Getenv(stubEnv); how != "" && ownRole != nil {
		playStub(how)
	}
}

// stubTask is never run: the stub answers in its place. How says what it answers.
var stubTask = braid.Define("stub.task", func(_ context.Context, how string) (int, error) { return 0, nil })

// A stub is a worker that sends what it likes.
type stub struct {
	control, data *os.File
	links         struct {
		control *wire.Stream
		data    link
	}
	mu   sync.Mutex // of writing to the data link
	ring *rawRing
	mute bool          // gives no sign of life
	late atomic.Uint64 // the call that is answered when it is cancelled
}

// A rawRing writes bytes into the ring to the program as whoever has its memory can:
// it shares no code with package wire.
type rawRing struct {
	words, bytes []byte
	event        *os.File
	at           uint64
}

func (r *rawRing) word(offset int) *atomic.Uint64 {
	return (*atomic.Uint64)(unsafe.Pointer(&r.words[2048+offset]))
}

// put writes b behind what was written before, without publishing it.
func (r *rawRing) put(b []byte) {
	size := uint64(len(r.bytes))
	for i, c := range b {
		r.bytes[(r.at+uint64(i))%size] = c
	}
	r.at += uint64(len(b))
}

// publish moves the tail to the end of what was written, and wakes the program.
func (r *rawRing) publish() {
	r.word(0).Store(r.at)
	_, _ = r.event.Write(binary.NativeEndian.AppendUint64(nil, 1))
}

func (r *rawRing) mark(m uint64) { r.word(256).Store(m) }

// encodedFrame returns a frame as it travels on a stream.
func encodedFrame(h wire.Header, payload []byte) []byte {
	var b bytes.Buffer
	s := wire.NewStream(struct {
		io.Reader
		io.Writer
		io.Closer
	}{nil, &b, io.NopCloser(nil)}, 1<<30)
	if err := s.Send(h, payload, nil); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// write writes raw bytes to the data link.
func (s *stub) write(b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ring == nil {
		_, _ = s.data.Write(b)
		return
	}
	s.ring.put(b)
	s.ring.put(make([]byte, -len(b)&7))
	s.ring.publish()
}

func (s *stub) result(h wire.Header, payload []byte) {
	b := encodedFrame(h, payload)
	if s.ring != nil && len(payload) > 4<<10 { // the checksum is of the header alone
		binary.LittleEndian.PutUint32(b, crc32.ChecksumIEEE(b[4:32]))
	}
	s.write(b)
}

// fixed is a result of stubTask.
func fixed(n int) []byte { return binary.NativeEndian.AppendUint64(nil, uint64(n)) }

// dupFile returns a descriptor of its own for what fd is.
func dupFile(fd int) (*os.File, error) {
	n, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(n), "stub"), nil
}

// playStub is the life of a stub. It does not return.
func playStub(how string) {
	s := &stub{}
	dup := func(fd int) *os.File {
		f, err := dupFile(fd)
		if err != nil {
			os.Exit(97)
		}
		return f
	}
	s.control, s.data = dup(3), dup(4)
	if ownRole.ring {
		s.ring = &rawRing{}
		words, err1 := shm.Map(dup(4))
		up, err2 := shm.Map(dup(6))
		if err1 != nil || err2 != nil {
			os.Exit(98)
		}
		s.ring.words, s.ring.bytes, s.ring.event = words.Bytes(), up.Bytes(), dup(7)
	}
	var err error
	if s.links.control, s.links.data, err = inherited(ownRole.ring, 1<<30); err != nil {
		os.Exit(99)
	}
	if _, err := s.links.control.Recv(); err != nil {
		os.Exit(exitOrphan)
	}
	ready := encodedFrame(wire.Header{Kind: kindReady}, nil)
	kind, arg, _ := strings.Cut(how, " ")
	switch kind {
	case "flip":
		ready[countUp(arg)%len(ready)] ^= 0x11
		_, _ = s.control.Write(ready)
	case "cut":
		_, _ = s.control.Write(ready[:countUp(arg)%len(ready)])
		os.Exit(0)
	case "nothing":
		select {}
	case "twice":
		_, _ = s.control.Write(append(bytes.Clone(ready), ready...))
	default:
		_, _ = s.control.Write(ready)
	}
	if kind == "deaf" {
		select {} // and reads nothing, ever
	}
	s.mute = kind == "mute"
	go s.listen()
	for {
		f, err := s.links.data.Recv()
		if err != nil {
			os.Exit(exitOrphan)
		}
		p := parser{rest: f.Payload}
		if _, _, err := parseCall(&p); err != nil {
			os.Exit(exitProtocol)
		}
		if f.Flags&flagBatch != 0 {
			_ = p.uvarint(1 << 20)
		}
		s.answer(f.Seq, string(p.rest))
	}
}

// countUp returns how often it was called before, by whichever process, for a file.
func countUp(path string) int {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		os.Exit(96)
	}
	defer f.Close()
	_, _ = f.Write([]byte{1})
	st, err := f.Stat()
	if err != nil {
		os.Exit(96)
	}
	return int(st.Size()) - 1
}

func (s *stub) listen() {
	for {
		f, err := s.links.control.Recv()
		if err != nil {
			os.Exit(exitOrphan)
		}
		switch f.Kind {
		case kindPing:
			if s.mute {
				continue
			}
			_ = s.links.control.Send(wire.Header{Kind: kindPong}, nil, nil)
		case kindCancel:
			if f.Seq == s.late.Load() {
				s.result(wire.Header{Kind: kindResult, Seq: f.Seq}, fixed(4))
				s.result(wire.Header{Kind: kindResult, Seq: f.Seq}, fixed(5))
			}
		case kindStop:
			os.Exit(0)
		}
	}
}

// answer does for a call what its argument says.
func (s *stub) answer(seq uint64, how string) {
	good := wire.Header{Kind: kindResult, Seq: seq}
	mark := func(phase engine.Phase, item int) {
		if s.ring != nil {
			s.ring.mark(makeMark(seq, item, phase))
		} else {
			_ = s.links.data.Mark(makeMark(seq, item, phase))
		}
	}
	how, arg, _ := strings.Cut(how, " ")
	n, _ := strconv.Atoi(arg)
	switch how {
	case "good":
		s.result(good, fixed(n))
	case "flip": // a byte of the result
		mark(engine.PhaseRun, 0)
		b := encodedFrame(good, fixed(1))
		b[n] ^= 0x11
		s.write(b)
	case "cut": // within the result
		mark(engine.PhaseRun, 0)
		b := encodedFrame(good, fixed(1))[:n]
		if s.ring != nil {
			s.ring.put(b)
			if n%8 == 0 || n%3 == 0 { // published, or not
				s.ring.publish()
			}
		} else {
			_, _ = s.data.Write(b)
		}
		os.Exit(0)
	case "twice":
		s.result(good, fixed(1))
		s.result(good, fixed(2))
	case "again": // an answer to the call before, too
		s.result(wire.Header{Kind: kindResult, Seq: seq - 1}, fixed(7))
		s.result(good, fixed(1))
	case "unknown":
		for _, q := range []uint64{0, seq + 1, seq + 1000, 1<<64 - 1} {
			s.result(wire.Header{Kind: kindResult, Seq: q}, fixed(7))
			s.result(wire.Header{Kind: kindDone, Seq: q}, fixed(7))
			s.result(wire.Header{Kind: kindProgress, Seq: q}, fixed(7))
		}
		s.result(good, fixed(1))
	case "item": // that the call does not have
		s.result(wire.Header{Kind: kindResult, Seq: seq, Index: uint32(n)}, fixed(7))
		s.result(good, fixed(1))
	case "done": // but without a result
		s.result(wire.Header{Kind: kindDone, Seq: seq}, fixed(1))
		s.result(good, fixed(1))
	case "kinds": // that there are not, or not from a worker
		for _, k := range []uint8{kindHello, kindCancel, kindPing, kindStop, kindCall, kindReady, kindFailed, kindPong, 77, 254} {
			s.result(wire.Header{Kind: k, Seq: seq}, fixed(7))
			_, _ = s.control.Write(encodedFrame(wire.Header{Kind: k, Seq: seq}, fixed(7)))
		}
		s.result(good, fixed(1))
	case "garbage": // in frames that are intact
		for _, b := range [][]byte{nil, {0}, []byte("garbage"), bytes.Repeat([]byte{0xff}, 5000)} {
			s.result(wire.Header{Kind: kindLog, Seq: seq}, b)
			s.result(wire.Header{Kind: kindProgress, Seq: seq}, b)
			_, _ = s.control.Write(encodedFrame(wire.Header{Kind: kindCancel}, b))
		}
		s.result(good, fixed(1))
	case "size": // that a result cannot have
		s.result(good, make([]byte, n))
	case "error": // that cannot be read
		s.result(wire.Header{Kind: kindResult, Flags: flagError, Seq: seq}, []byte{0xff, 1, 2})
	case "files": // are announced and do not come
		mark(engine.PhaseRun, 0)
		s.result(wire.Header{Kind: kindResult, Flags: flagFiles, Seq: seq}, fixed(1))
	case "mark": // that makes no sense, and dies
		mark(engine.PhaseRun, n)
		os.Exit(1)
	case "lie": // about the length: far more is to come than there may be, or is
		mark(engine.PhaseRun, 0)
		b := encodedFrame(good, fixed(1))
		binary.LittleEndian.PutUint64(b[16:], uint64(n))
		seal(b)
		s.write(b)
	case "long": // a fragment that is longer than the message
		mark(engine.PhaseRun, 0)
		b := encodedFrame(good, fixed(1))
		binary.LittleEndian.PutUint32(b[4:], uint32(n))
		seal(b)
		s.write(b)
	case "control": // a byte of a frame on the other link is wrong
		mark(engine.PhaseRun, 0)
		b := encodedFrame(wire.Header{Kind: kindPong}, fixed(1))
		b[n] ^= 0x11
		_, _ = s.control.Write(b)
	case "tail": // of the ring is moved to where it cannot be
		mark(engine.PhaseRun, 0)
		if s.ring == nil {
			os.Exit(1)
		}
		s.ring.word(0).Store(s.ring.at + uint64(n))
		_, _ = s.ring.event.Write(binary.NativeEndian.AppendUint64(nil, 1))
	case "close": // the control link, and go on
		mark(engine.PhaseRun, 0)
		_ = s.control.Close()
		_ = s.links.control.Close()
	case "late":
		s.late.Store(seq)
		_, _ = os.Stdout.WriteString("late\n")
	}
}

// seal makes the checksum of a changed frame right again.
func seal(b []byte) { binary.LittleEndian.PutUint32(b, crc32.ChecksumIEEE(b[4:])) }

func stubPool(t *testing.T, pipes bool, how string, change func(*Config)) *Pool {
	t.Helper()
	proctest.Check(t)
	cfg := Config{Workers: 1, Pipes: pipes, Env: append(DefaultEnv, stubEnv+"="+how), Output: func(Output) {}}
	if change != nil {
		change(&cfg)
	}
	p, err := NewPool(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		closed := make(chan error, 1)
		go func() { closed <- p.Close(ctx) }()
		select {
		case err := <-closed:
			if err != nil {
				t.Errorf("Close: %v", err)
			}
		case <-time.After(30 * time.Second):
			t.Error("Close does not return")
		}
	})
	return p
}

func ask(t *testing.T, p *Pool, how string, opts ...braid.Option) (int, error) {
	t.Helper()
	f := braid.Submit(context.Background(), p, stubTask, how, opts...)
	select {
	case <-f.Done():
	case <-time.After(20 * time.Second):
		t.Errorf("%.20q: the call has no outcome", how)
		return 0, errors.New("no outcome")
	}
	return f.Await(context.Background())
}

func eachLink(t *testing.T, test func(t *testing.T, pipes bool)) {
	t.Run("ring", func(t *testing.T) { test(t, false) })
	t.Run("stream", func(t *testing.T) { test(t, true) })
}

// wantGood makes sure that the pool works.
func wantGood(t *testing.T, p *Pool) {
	t.Helper()
	if got, err := ask(t, p, "good 5"); got != 5 || err != nil {
		t.Errorf("a call afterwards: %d, %v", got, err)
	}
}

// TestStubLies: what a worker says beside the answer that is due changes nothing, and
// is counted.
func TestStubLies(t *testing.T) {
	eachLink(t, func(t *testing.T, pipes bool) {
		p := stubPool(t, pipes, "plain", nil)
		for _, c := range []struct {
			how    string
			strays uint64
		}{
			{"good 1", 0}, {"twice", 1}, {"again", 1}, {"unknown", 12}, {"item 1", 1}, {"item 4294967295", 1},
			{"done", 1}, {"kinds", 10}, {"garbage", 0},
		} {
			before := p.Statistics().Strays
			if got, err := ask(t, p, c.how); got != 1 || err != nil {
				t.Errorf("%s: %d, %v", c.how, got, err)
			}
			wantGood(t, p)
			if got := p.Statistics().Strays - before; got != c.strays {
				t.Errorf("%s: %d strays, want %d", c.how, got, c.strays)
			}
		}
		if got := p.Statistics().Deaths; got != 0 {
			t.Errorf("%d workers died", got)
		}
	})
}

// TestStubLate: an answer that comes when the call is cancelled is its outcome, and one
// that comes after that is nobody's.
func TestStubLate(t *testing.T) {
	eachLink(t, func(t *testing.T, pipes bool) {
		said := make(chan string, 100)
		p := stubPool(t, pipes, "plain", func(c *Config) { c.Output = func(o Output) { said <- o.Text } })
		for range 3 {
			f := braid.Submit(context.Background(), p, stubTask, "late")
			<-said
			f.Cancel(nil)
			if got, err := f.Await(context.Background()); got != 4 || err != nil {
				t.Errorf("the cancelled call: %d, %v", got, err)
			}
			wantGood(t, p)
		}
		if s := p.Statistics(); s.Strays != 3 || s.Deaths != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// TestStubNonsense: a result that cannot be read fails the call alone.
func TestStubNonsense(t *testing.T) {
	eachLink(t, func(t *testing.T, pipes bool) {
		p := stubPool(t, pipes, "plain", nil)
		for _, how := range []string{"size 0", "size 1", "size 7", "size 9", "size 100000", "error"} {
			_, err := ask(t, p, how)
			if c, ok := errors.AsType[*engine.CodecError](err); !ok || c.Phase != engine.PhaseResult {
				t.Errorf("%s: %v", how, err)
			}
			wantGood(t, p)
		}
		if got := p.Statistics().Deaths; got != 0 {
			t.Errorf("%d workers died", got)
		}
	})
}

// wantCrash makes sure that the call failed because of its worker's death.
func wantCrash(t *testing.T, how string, err error, reason string) {
	t.Helper()
	c, ok := errors.AsType[*engine.CrashError](err)
	if !ok || !strings.Contains(c.Reason, reason) || c.Phase != engine.PhaseRun {
		t.Errorf("%s: %v", how, err)
	}
}

// TestStubBreaksTheProtocol: a worker that sends what cannot be is killed, and its call
// fails with the reason. Each byte of a result is flipped once, and a result is cut at
// each.
func TestStubBreaksTheProtocol(t *testing.T) {
	const corrupt = "it was killed because it broke the protocol"
	eachLink(t, func(t *testing.T, pipes bool) {
		p := stubPool(t, pipes, "plain", func(c *Config) { c.MaxMessage = 1 << 20 })
		size := len(encodedFrame(wire.Header{Kind: kindResult}, fixed(1)))
		step := 1
		if testing.Short() {
			step = 7 // a sample
		}
		for i := 0; i < size; i += step {
			how := fmt.Sprintf("flip %d", i)
			_, err := ask(t, p, how)
			wantCrash(t, how, err, corrupt)
		}
		for i := 0; i < size; i += step {
			how := fmt.Sprintf("cut %d", i)
			_, err := ask(t, p, how)
			wantCrash(t, how, err, "")
		}
		limit := 1<<20 + slack
		hows := []string{
			fmt.Sprintf("lie %d", limit+1), fmt.Sprintf("lie %d", 1<<62), "lie -1", "lie 7",
			"long 9", "long 4294967295",
		}
		if !pipes {
			hows = append(hows, "tail -8", "tail 1", "tail 9999999", "tail 8")
		}
		for _, how := range hows {
			_, err := ask(t, p, how)
			wantCrash(t, how, err, corrupt)
		}
		// One that announces what may be, and never sends it, is a worker that hangs.
		how := fmt.Sprintf("lie %d", limit)
		if _, err := ask(t, p, how, braid.Timeout(20*time.Millisecond)); !engine.Interrupted(err) {
			t.Errorf("%s: %v", how, err)
		}
		for _, how := range []string{"control 0", "control 4", "control 20", "control 28", "control 35", "close"} {
			_, err := ask(t, p, how)
			wantCrash(t, how, err, "")
		}
		wantGood(t, p)
	})
}

// TestStubFiles: files that are announced and do not come hold up nobody.
func TestStubFiles(t *testing.T) {
	eachLink(t, func(t *testing.T, pipes bool) {
		p := stubPool(t, pipes, "plain", func(c *Config) { c.Grace = 20 * time.Millisecond })
		if _, err := ask(t, p, "files", braid.Timeout(50*time.Millisecond)); err == nil {
			t.Error("the call succeeded")
		}
		wantGood(t, p)
	})
}

// TestStubMark: a worker that dies and says that it ran an item that there is not is no
// danger to the program.
func TestStubMark(t *testing.T) {
	eachLink(t, func(t *testing.T, pipes bool) {
		p := stubPool(t, pipes, "plain", func(c *Config) { c.Workers = 2 })
		for _, item := range []int{0, 1, 5, 1<<markItems - 1} {
			how := fmt.Sprintf("mark %d", item)
			_, err := ask(t, p, how)
			wantCrash(t, how, err, "")
			// In a batch, too.
			for _, err := range braid.Map(context.Background(), p, stubTask, func(yield func(string) bool) {
				for range 2 {
					if !yield(how) {
						return
					}
				}
			}) {
				if _, ok := errors.AsType[*engine.CrashError](err); !ok {
					t.Errorf("%s in a batch: %v", how, err)
				}
			}
		}
		wantGood(t, p)
	})
}

// TestStubHandshake: the first word of a worker is flipped at each byte, or cut at each,
// or never comes, or comes twice.
func TestStubHandshake(t *testing.T) {
	for _, how := range []string{"flip", "cut", "nothing"} {
		t.Run(how, func(t *testing.T) {
			file := t.TempDir() + "/count"
			p := stubPool(t, false, how+" "+file, func(c *Config) { c.Workers, c.StartTimeout = 3, 50*time.Millisecond })
			if _, err := ask(t, p, "good 1"); !errors.Is(err, ErrBroken) || !errors.Is(err, braid.ErrNotStarted) {
				t.Errorf("the call: %v", err)
			}
		})
	}
	t.Run("twice", func(t *testing.T) {
		p := stubPool(t, false, "twice", nil)
		wantGood(t, p)
		if s := p.Statistics(); s.Workers != 1 || s.Starting != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// TestStubMute: a worker that gives no sign of life is killed, but not because the program
// has not looked for a long time.
func TestStubMute(t *testing.T) {
	p := stubPool(t, false, "mute", func(c *Config) { c.Heartbeat = time.Hour })
	wantGood(t, p)
	now := time.Now()
	p.look(now) // and ask
	now = now.Add(1000 * time.Hour)
	for range maxSilent {
		p.look(now)
	}
	wantGood(t, p)
	if got := p.Statistics().Deaths; got != 0 {
		t.Fatal("it was killed after a few looks")
	}
	p.look(now)
	for range 2 { // the first may be given to the one that dies
		if _, err := ask(t, p, "good 1"); err != nil {
			if _, ok := errors.AsType[*engine.CrashError](err); !ok {
				t.Error(err)
			}
		}
	}
	if got := p.Statistics().Deaths; got != 1 {
		t.Errorf("%d workers died, want 1", got)
	}
}

// TestStubDeaf: a worker that reads nothing cannot hold up who sends to it a large
// argument, nor Close.
func TestStubDeaf(t *testing.T) {
	eachLink(t, func(t *testing.T, pipes bool) {
		p := stubPool(t, pipes, "deaf", func(c *Config) { c.Grace = 20 * time.Millisecond })
		_, err := ask(t, p, strings.Repeat("x", 8<<20), braid.Timeout(50*time.Millisecond))
		if !engine.Interrupted(err) || !errors.Is(err, braid.ErrNotStarted) {
			t.Errorf("the call: %v", err)
		}
	})
}

// TestEveryFrame flips each byte of one frame of each kind, and cuts it at each, on its
// way through a stream. (That rings notice is a test of package wire: their frames are
// the same.)
func TestEveryFrame(t *testing.T) {
	call := callHeader{task: "a.task", attempt: 1, items: 1}
	for kind, payload := range map[uint8][]byte{
		kindHello:    marshal(hello{Number: 3, Init: "a.task", Arg: []byte("argument")}),
		kindCancel:   codec.AppendError(nil, context.Canceled),
		kindPing:     nil,
		kindStop:     nil,
		kindFiles:    nil,
		kindReady:    nil,
		kindFailed:   codec.AppendError(nil, errors.New("why")),
		kindPong:     nil,
		kindCall:     append(call.append(nil), fixed(1)...),
		kindResult:   fixed(1),
		kindDone:     fixed(1),
		kindProgress: append(fixed(1), fixed(2)...),
		kindLog:      marshal(logRecord{Message: "a record", Attrs: []logAttr{{Key: "k", Text: "v"}}}),
	} {
		good := encodedFrame(wire.Header{Kind: kind, Seq: 9, Index: 3}, payload)
		receive := func(b []byte) (wire.Frame, error) {
			return wire.NewStream(struct {
				io.Reader
				io.Writer
				io.Closer
			}{bytes.NewReader(b), nil, io.NopCloser(nil)}, 1<<20).Recv()
		}
		if f, err := receive(good); err != nil || f.Kind != kind || !bytes.Equal(f.Payload, payload) {
			t.Fatalf("kind %d: %+v, %v", kind, f, err)
		}
		for i := range good {
			for bit := range 8 {
				bad := bytes.Clone(good)
				bad[i] ^= 1 << bit
				if f, err := receive(bad); err == nil {
					t.Errorf("kind %d, byte %d, bit %d: %+v", kind, i, bit, f)
				} else if _, ok := errors.AsType[*wire.CorruptError](err); !ok {
					t.Errorf("kind %d, byte %d, bit %d: %v", kind, i, bit, err)
				}
			}
			want := io.ErrUnexpectedEOF
			if i == 0 {
				want = io.EOF
			}
			if f, err := receive(good[:i]); err != want {
				t.Errorf("kind %d, cut at %d: %+v, %v", kind, i, f, err)
			}
		}
	}
}
