package connection

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"net"
	"os"
	"time"
)

// A socketFile is the file of a Unix socket that this process has made.
//
// Every system defines socketNetwork, which is the network of such sockets; bindSocket,
// which makes one that nobody else can use; errInUse and errRefused, the errors of a
// system call that finds an address taken, and one at which nobody listens; isPassing;
// and isPeerGone.
type socketFile struct {
	path string
	info fs.FileInfo
}

// listenSocket listens at path. It replaces the socket of a listener that is dead.
func listenSocket(path string) (net.Listener, *socketFile, error) {
	l, err := bindSocket(context.Background(), path)
	if errors.Is(err, errInUse) && removeStale(path) {
		l, err = bindSocket(context.Background(), path)
	}
	if err != nil {
		return nil, nil, err
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	info, err := os.Lstat(path)
	if err != nil {
		_ = l.Close()
		return nil, nil, err
	}
	return l, &socketFile{path, info}, nil
}

// remove removes the file, unless it is another one by now. The listener is still open,
// so that no other file can have its number.
func (f *socketFile) remove() {
	if f == nil {
		return
	}
	if info, err := os.Lstat(f.path); err == nil && os.SameFile(info, f.info) {
		_ = os.Remove(f.path)
	}
}

// removeStale removes the socket at path if nobody listens on it, and reports whether it
// has done so.
func removeStale(path string) bool {
	before, err := os.Lstat(path)
	if err != nil || before.Mode()&fs.ModeSocket == 0 {
		return false
	}
	c, err := net.DialTimeout(socketNetwork, path, time.Second)
	if err == nil {
		_ = c.Close()
	}
	if !errors.Is(err, errRefused) {
		return false
	}
	// Somebody else may have replaced it meanwhile. What is taken away is looked at
	// before it is removed.
	away := path + "." + rand.Text()[:8]
	if os.Rename(path, away) != nil {
		return false
	}
	after, err := os.Lstat(away)
	if err == nil && (!os.SameFile(before, after) || !before.ModTime().Equal(after.ModTime())) {
		_ = os.Link(away, path)
		_ = os.Remove(away)
		return false
	}
	return os.Remove(away) == nil
}
