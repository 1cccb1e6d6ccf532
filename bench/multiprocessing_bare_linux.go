package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The file that a worker of this program gets from startChildWorker.
const workerFD = 3

// startSocketpair starts a worker that sends each byte back over a socket, with
// system calls that the scheduler of Go does not know of, on a thread of its own:
// the least that a call through the kernel takes.
func startSocketpair() (*worker, error) {
	return startOnSocket("socketpair", func(fd int) (io.ReadWriteCloser, error) {
		return rawSocket(fd), nil
	})
}

// startPolledSocketpair is the same through the net poller, as Go does it.
func startPolledSocketpair() (*worker, error) {
	return startOnSocket("socketpair, net poller", polledSocket)
}

func serveSocketpair() error {
	runtime.LockOSThread()
	return echoBytes(rawSocket(workerFD))
}

func servePolledSocketpair() error {
	s, err := polledSocket(workerFD)
	if err != nil {
		return err
	}
	return echoBytes(s)
}

func startOnSocket(name string, open func(fd int) (io.ReadWriteCloser, error)) (*worker, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	theirs := os.NewFile(uintptr(fds[1]), "their end")
	defer theirs.Close()
	ours, err := open(fds[0])
	if err != nil {
		return nil, err
	}
	w, err := startChildWorker(name, theirs)
	if err != nil {
		ours.Close()
		return nil, err
	}
	stop := w.stop
	w.stop = func() { ours.Close(); stop() }
	buf := make([]byte, 1)
	w.call = func() error {
		buf[0]++
		sent := buf[0]
		if _, err := ours.Write(buf); err != nil {
			return err
		}
		if _, err := io.ReadFull(ours, buf); err != nil {
			return err
		}
		return expect("the byte that came back", int64(buf[0]), int64(sent))
	}
	return w, nil
}

// echoBytes ends when the other end is closed.
func echoBytes(s io.ReadWriter) error {
	buf := make([]byte, 1)
	for {
		if _, err := s.Read(buf); err != nil {
			return nil
		}
		if _, err := s.Write(buf); err != nil {
			return nil
		}
	}
}

func polledSocket(fd int) (io.ReadWriteCloser, error) {
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "socket"), nil
}

// A rawSocket is a blocking socket without the scheduler of Go.
type rawSocket int

func (s rawSocket) Read(buf []byte) (int, error) {
	n, err := s.do(unix.SYS_READ, buf)
	if n == 0 && err == nil {
		return 0, io.EOF
	}
	return n, err
}

func (s rawSocket) Write(buf []byte) (int, error) { return s.do(unix.SYS_WRITE, buf) }

func (s rawSocket) Close() error { return unix.Close(int(s)) }

func (s rawSocket) do(trap uintptr, buf []byte) (int, error) {
	for {
		n, _, errno := unix.RawSyscall(trap, uintptr(s), uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)))
		if errno == 0 {
			return int(n), nil
		}
		if !errors.Is(errno, unix.EINTR) {
			return 0, errno
		}
	}
}

// spinWords are two words in memory that two processes share, far enough apart
// not to be in one line of the cache, nor in the next that it fetches along.
type spinWords struct {
	there atomic.Uint64
	_     [248]byte
	back  atomic.Uint64
}

// startSpinner starts a worker that spins on a word of memory and answers in
// another: the least that a call takes at all, at the price of two processors.
func startSpinner() (*worker, error) {
	if runtime.NumCPU() < 2 {
		return nil, fmt.Errorf("two processes that spin need two processors")
	}
	fd, err := unix.MemfdCreate("words", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "words")
	defer file.Close()
	if err := file.Truncate(int64(unsafe.Sizeof(spinWords{}))); err != nil {
		return nil, err
	}
	words, mapped, err := mapWords(fd)
	if err != nil {
		return nil, err
	}
	w, err := startChildWorker("spinning word", file)
	if err != nil {
		unix.Munmap(mapped)
		return nil, err
	}
	stop := w.stop
	w.stop = func() { stop(); unix.Munmap(mapped) }
	var n uint64
	w.call = func() error {
		n++
		words.there.Store(n)
		for words.back.Load() != n {
		}
		return nil
	}
	return w, nil
}

// serveSpinner spins until the process ends.
func serveSpinner() error {
	words, _, err := mapWords(workerFD)
	if err != nil {
		return err
	}
	for {
		words.back.Store(words.there.Load())
	}
}

func mapWords(fd int) (*spinWords, []byte, error) {
	mem, err := unix.Mmap(fd, 0, int(unsafe.Sizeof(spinWords{})), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, nil, err
	}
	return (*spinWords)(unsafe.Pointer(&mem[0])), mem, nil
}
