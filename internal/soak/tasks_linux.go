package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/go-braid/braid"
)

// Variables by which the driver and its workers learn what they need.
const (
	childEnv   = "BRAID_SOAK_CHILD" // of a child: its call, its worker, and whether it is apart from its group
	seedEnv    = "BRAID_SOAK_SEED"
	journalEnv = "BRAID_SOAK_JOURNAL" // the file of the start journal
	markEnv    = "BRAID_SOAK_MARK"    // the oracle finds by it what is left over
)

// ownSeed is the seed, in the driver and in its workers.
var ownSeed = func() uint64 {
	n, _ := strconv.ParseUint(os.Getenv(seedEnv), 10, 64)
	return n
}()

// An order is the argument of a structured call.
type order struct {
	ID   uint64
	Data []byte
}

// A lure is an argument, and a prize a result, whose methods can do harm.
type (
	lure  struct{ id uint64 }
	prize struct{ id uint64 }
)

var (
	errPlanned = errors.New("soak: the task fails as planned")
	errWrong   = errors.New("soak: the argument arrived wrong")
)

func init() { braid.RegisterError(errPlanned, errWrong) }

var (
	structuredTask = braid.Define("soak.structured", func(ctx context.Context, o order) (order, error) {
		p := planOf(ownSeed, o.ID)
		if err := p.run(ctx); err != nil {
			return order{}, err
		}
		if len(o.Data) != p.size || sumOf(o.Data) != checksum(p.size, p.id) {
			return order{}, errWrong
		}
		r := order{ID: p.answer(ownSeed), Data: make([]byte, p.reply)}
		fill(r.Data, p.replyNumber())
		return r, nil
	})
	rawTask = braid.Define("soak.raw", func(ctx context.Context, b []byte) ([]byte, error) {
		id, data, err := readRaw(b)
		if err != nil {
			return nil, err
		}
		p := planOf(ownSeed, id)
		if err := p.run(ctx); err != nil {
			return nil, err
		}
		if len(data) != p.size || sumOf(data) != checksum(p.size, p.id) {
			return nil, errWrong
		}
		return newRaw(p.answer(ownSeed), p.reply, p.replyNumber()), nil
	})
	tinyTask = braid.Define("soak.tiny", func(ctx context.Context, id uint64) (uint64, error) {
		p := planOf(ownSeed, id)
		return p.answer(ownSeed), p.run(ctx)
	})
	trapTask = braid.Define("soak.trap", func(ctx context.Context, l lure) (prize, error) {
		p := planOf(ownSeed, l.id)
		return prize(l), p.run(ctx)
	})
	initTask = braid.Define("soak.init", func(_ context.Context, dir string) (int, error) {
		// Every fourth fails, so that no five do so in succession.
		f, err := os.OpenFile(filepath.Join(dir, "starts"), os.O_APPEND|os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return 0, err
		}
		defer f.Close()
		if _, err := f.Write([]byte{0}); err != nil {
			return 0, err
		}
		n, err := f.Seek(0, io.SeekCurrent)
		if err != nil {
			return 0, err
		}
		if n%4 == 0 {
			journal("I %d 1", os.Getpid())
			os.Exit(9)
		}
		journal("I %d 0", os.Getpid())
		return int(n), nil
	})
)

// Raw arguments and results begin with a number of 8 bytes.
func newRaw(n uint64, size int, payload uint64) []byte {
	b := make([]byte, 8+size)
	putNumber(b, n)
	fill(b[8:], payload)
	return b
}

func readRaw(b []byte) (n uint64, data []byte, err error) {
	if len(b) < 8 {
		return 0, nil, errWrong
	}
	return number(b), b[8:], nil
}

func putNumber(b []byte, n uint64) {
	for i := range 8 {
		b[i] = byte(n >> (8 * i))
	}
}

func number(b []byte) (n uint64) {
	for i := range 8 {
		n |= uint64(b[i]) << (8 * i)
	}
	return n
}

// bornLine is what a call writes, with its number, when its children are there: one that
// is born while its worker is looked at before it is ended is found by nobody.
const bornLine = "born"

// theJournal is the file of the start journal in this worker.
var theJournal struct {
	sync.Mutex
	f *os.File
}

// journal writes a line to the start journal, with a single write:
//
//	S id pid          the task of call id begins in process pid
//	E id pid          it ends, by itself
//	D id pid          its argument is about to be read, by a method of its own
//	I pid n           Config.Init runs; n is 1 if it ends the process
func journal(format string, args ...any) {
	line := fmt.Appendf(nil, format+"\n", args...)
	theJournal.Lock()
	defer theJournal.Unlock()
	for range 2 {
		if theJournal.f != nil {
			if n, err := theJournal.f.Write(line); err == nil && n == len(line) {
				return
			}
		}
		// A task may have closed it.
		theJournal.f, _ = os.OpenFile(os.Getenv(journalEnv), os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
	}
}

// run does what the plan says. A nil error means that there is to be a result.
func (p *plan) run(ctx context.Context) error {
	journal("S %d %d", p.id, os.Getpid())
	if err := p.misbehave(ctx); err != nil {
		return err
	}
	if p.chatty {
		braid.Progress(ctx, 1, 2)
		fmt.Println("call", p.id, "says hello")
		fmt.Fprintln(os.Stderr, "call", p.id, "complains") // whole lines: the last words begin one
		slog.Info("a record", "call", p.id)
	}
	if p.work > 0 {
		t := time.NewTimer(p.work)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if p.chatty {
		braid.Progress(ctx, 2, 2)
	}
	return nil
}

// misbehave does what the kind of the call is. What ends the worker does not return.
func (p *plan) misbehave(ctx context.Context) error {
	switch p.kind {
	case flaking:
		defer journal("E %d %d", p.id, os.Getpid())
		if p.fails(os.Getpid()) {
			return errPlanned
		}
	case exitZero:
		os.Exit(0)
	case exitCode:
		os.Exit(p.exitCode())
	case panics:
		panic("as planned")
	case nilDeref:
		deref(nil)
	case goexits:
		runtime.Goexit()
	case fatal:
		unlock(new(sync.Mutex))
	case stackOverflow:
		debug.SetMaxStack(16 << 20) // or a limit of memory may be met before
		overflow(0)
	case outOfMemory:
		hoard()
	case panicElsewhere:
		go panic("as planned")
		forever()
	case nilElsewhere:
		go deref(nil)
		forever()
	case exitElsewhere:
		time.AfterFunc(time.Duration(p.salt%5)*time.Millisecond, func() { os.Exit(p.exitCode()) })
		forever()
	case killSelf:
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		forever()
	case stopSelf:
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		forever()
	case hangs, hangsDeaf:
		forever()
	case hangsStubborn:
		signal.Ignore(syscall.SIGTERM)
		forever()
	case spins:
		for n := 0; n >= 0; n++ {
		}
	case waits:
		<-ctx.Done()
		return ctx.Err()
	case closesFiles:
		closeFiles()
		forever()
	case closesAndReturns:
		closeFiles()
	case garbles:
		garble(p.salt)
	case mutes:
		mute()
	case floods:
		flood(p.salt)
	case family:
		return p.beget(false)
	case familyHangs:
		if err := p.beget(false); err != nil {
			return err
		}
		if err := p.beget(true); err != nil {
			return err
		}
		fmt.Println(bornLine, p.id)
		forever()
	case openFiles:
		return useUpFiles()
	case exitsAfter:
		time.AfterFunc(time.Duration(p.salt%3)*time.Millisecond, func() { os.Exit(p.exitCode()) })
	}
	return nil
}

func forever() { select {} }

func deref(p *int) { *p++ }

func unlock(mu *sync.Mutex) { mu.Unlock() }

func overflow(n int) int {
	if n < 0 {
		return n
	}
	var big [1024]byte
	big[n%len(big)] = 1
	return overflow(n+1) + int(big[n%len(big)])
}

var hoarded [][]byte

func hoard() {
	for range 1 << 10 {
		b := make([]byte, 1<<20)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		hoarded = append(hoarded, b)
	}
}

func closeFiles() {
	for fd := 3; fd < 256; fd++ {
		_ = syscall.Close(fd)
	}
}

// garble writes nonsense to every socket.
func garble(salt uint64) {
	junk := make([]byte, 16+salt%200)
	fill(junk, salt)
	names, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		return
	}
	for _, name := range names {
		if to, err := os.Readlink(name); err != nil || !strings.HasPrefix(to, "socket:") {
			continue
		}
		if fd, err := strconv.Atoi(filepath.Base(name)); err == nil {
			_, _ = syscall.Write(fd, junk)
		}
	}
}

// mute has what the process writes go nowhere.
func mute() {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return
	}
	defer null.Close()
	for fd := 1; fd <= 2; fd++ {
		_ = syscall.Dup3(int(null.Fd()), fd, 0)
	}
}

// flood writes up to 4 MiB of anything to the standard output.
func flood(salt uint64) {
	b := make([]byte, 64<<10)
	for i := range salt % 64 {
		fill(b, salt+i)
		_, _ = os.Stdout.Write(b)
	}
}

// beget starts a child that outlives the call, in the group or apart from it.
func (p *plan) beget(apart bool) error {
	c := exec.Command("sleep", "300")
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: apart}
	c.Env = append(os.Environ(), fmt.Sprintf("%s=%d %d %t", childEnv, p.id, os.Getpid(), apart))
	return c.Start()
}

// useUpFiles opens files until there are no descriptors left, and closes them.
func useUpFiles() error {
	var files []*os.File
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	for range 10_000 {
		f, err := os.Open(os.DevNull)
		if errors.Is(err, syscall.EMFILE) {
			return nil
		}
		if err != nil {
			return err
		}
		files = append(files, f)
	}
	return errors.New("soak: descriptors have no end")
}

// MarshalBinary implements encoding.BinaryMarshaler, in the program.
func (l lure) MarshalBinary() ([]byte, error) {
	switch p := planOf(ownSeed, l.id); p.kind {
	case submitPanics:
		panic("as planned")
	case submitFails:
		return nil, errPlanned
	case submitGoexits:
		runtime.Goexit()
	}
	return bytesOf(l.id), nil
}

// UnmarshalBinary implements encoding.BinaryUnmarshaler, in a worker.
func (l *lure) UnmarshalBinary(b []byte) error {
	if len(b) != 8 {
		return errWrong
	}
	l.id = number(b)
	journal("D %d %d", l.id, os.Getpid())
	switch p := planOf(ownSeed, l.id); p.kind {
	case decodePanics:
		panic("as planned")
	case decodeFails:
		return errPlanned
	case decodeExits:
		os.Exit(p.exitCode())
	case decodeGoexits:
		runtime.Goexit()
	case decodeHangs:
		forever()
	}
	return nil
}

// MarshalBinary implements encoding.BinaryMarshaler, in a worker.
func (r prize) MarshalBinary() ([]byte, error) {
	switch p := planOf(ownSeed, r.id); p.kind {
	case encodePanics:
		panic("as planned")
	case encodeFails:
		return nil, errPlanned
	case encodeExits:
		os.Exit(p.exitCode())
	case encodeGoexits:
		runtime.Goexit()
	}
	return bytesOf(r.id), nil
}

// UnmarshalBinary implements encoding.BinaryUnmarshaler, in the program.
func (r *prize) UnmarshalBinary(b []byte) error {
	if len(b) != 8 {
		return errWrong
	}
	r.id = number(b)
	switch p := planOf(ownSeed, r.id); p.kind {
	case resultPanics:
		panic("as planned")
	case resultFails:
		return errPlanned
	case resultGoexits:
		runtime.Goexit()
	}
	return nil
}

func bytesOf(n uint64) []byte {
	b := make([]byte, 8)
	putNumber(b, n)
	return b
}
