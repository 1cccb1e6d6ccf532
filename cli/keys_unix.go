//go:build aix || darwin || dragonfly || freebsd || linux || netbsd || openbsd || solaris

package cli

import (
	"context"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A keyboard hands on the keys that are typed on a terminal, one by one and without an
// echo. Those that send signals do so as ever.
type keyboard struct {
	fd    int
	typed func(key byte) // called on a goroutine of the keyboard
	end   func()

	mu     sync.Mutex // held while the terminal is set, and while a key is awaited
	before *unix.Termios
}

// keyWait is how long a read waits for a key: it cannot be interrupted otherwise.
const keyWait = 100 * time.Millisecond

// readKeys begins to read keys from a terminal. It must be closed, which gives the
// terminal back as it was.
func readKeys(terminal *os.File, typed func(key byte)) *keyboard {
	ctx, cancel := context.WithCancel(context.Background())
	k := &keyboard{fd: int(terminal.Fd()), typed: typed}
	var done sync.WaitGroup
	done.Go(func() { k.read(ctx) })
	k.end = func() {
		cancel()
		done.Wait()
		k.release()
	}
	return k
}

func (k *keyboard) close() { k.end() }

func (k *keyboard) read(ctx context.Context) {
	t := time.NewTicker(keyWait)
	defer t.Stop()
	for ctx.Err() == nil {
		var buf [16]byte
		n, ok := k.await(buf[:])
		for _, key := range buf[:n] {
			k.typed(key)
		}
		if !ok { // the terminal is not ours, for now
			select {
			case <-ctx.Done():
			case <-t.C:
			}
		}
	}
}

// await waits a short time for keys. It is not ok if the terminal is that of another
// program, as it is while this one runs in the background: to touch it then would stop
// this one.
func (k *keyboard) await(buf []byte) (n int, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if owner, err := unix.IoctlGetInt(k.fd, unix.TIOCGPGRP); err != nil || owner != unix.Getpgrp() {
		return 0, false
	}
	if k.before == nil {
		before, err := unix.IoctlGetTermios(k.fd, getTermios)
		if err != nil {
			return 0, false
		}
		set := *before
		set.Lflag &^= unix.ICANON | unix.ECHO
		set.Cc[unix.VMIN], set.Cc[unix.VTIME] = 0, uint8(keyWait/(100*time.Millisecond))
		if unix.IoctlSetTermios(k.fd, setTermios, &set) != nil {
			return 0, false
		}
		k.before = before
	}
	n, err := unix.Read(k.fd, buf)
	return max(n, 0), err == nil || err == unix.EINTR
}

// release gives the terminal back as it was, until a key is awaited again.
func (k *keyboard) release() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.before != nil {
		_ = unix.IoctlSetTermios(k.fd, setTermios, k.before)
		k.before = nil
	}
}

// suspend gives the terminal back for as long as the program is suspended.
func (k *keyboard) suspend() {
	k.mu.Lock() // until resume
	if k.before != nil {
		_ = unix.IoctlSetTermios(k.fd, setTermios, k.before)
		k.before = nil
	}
}

func (k *keyboard) resume() { k.mu.Unlock() }
