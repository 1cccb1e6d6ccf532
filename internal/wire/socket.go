package wire

import (
	"os"
	"sync"
	"syscall"
)

// A Socket is a connected Unix socket. Make one with [NewSocket].
//
// It is not a net.UnixConn, because a program that imports package net is, with cgo,
// linked to the C library, and takes half as long again to start.
type Socket struct {
	*os.File
	raw syscall.RawConn
}

// A unixReader reads from a Unix socket and keeps the files that come along. A nil one
// has none.
type unixReader struct {
	conn *Socket

	mu     sync.Mutex
	files  []*os.File
	closed bool

	oob []byte // of who reads
}

// take takes the next n files.
func (r *unixReader) take(n int) ([]*os.File, error) {
	if r == nil {
		if n > 0 {
			return nil, corrupt("it announces %d files on a link that carries none", n)
		}
		return nil, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if n > len(r.files) {
		return nil, corrupt("it announces %d files, and %d have come", n, len(r.files))
	}
	if n == 0 {
		return nil, nil
	}
	files := r.files[:n:n]
	r.files = r.files[n:]
	return files, nil
}

func (r *unixReader) keep(files []*os.File) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		closeFiles(files)
		return
	}
	r.files = append(r.files, files...)
}

func (r *unixReader) close() {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	closeFiles(r.files)
	r.files = nil
}
