//go:build unix

package wire

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// NewSocket makes a Socket of a descriptor, which is the Socket's from now on. Processes
// that are started later do not inherit it. If it is no socket, it may be anything, and is
// left as it is.
func NewSocket(fd int) (*Socket, error) {
	if _, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE); err != nil {
		return nil, fmt.Errorf("descriptor %d is no socket: %w", fd, os.NewSyscallError("getsockopt", err))
	}
	unix.CloseOnExec(fd)
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	f := os.NewFile(uintptr(fd), "socket")
	raw, err := f.SyscallConn()
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return &Socket{File: f, raw: raw}, nil
}

// receive reads bytes and control data.
func (s *Socket) receive(p, oob []byte) (n, on int, err error) {
	rerr := s.raw.Read(func(fd uintptr) bool {
		for {
			n, on, _, _, err = unix.Recvmsg(int(fd), p, oob, recvFlags)
			if err != unix.EINTR {
				return err != unix.EAGAIN
			}
		}
	})
	if rerr != nil {
		return 0, 0, rerr
	}
	return max(n, 0), on, os.NewSyscallError("recvmsg", err)
}

// send writes bytes and control data, and returns how many bytes it has written.
func (s *Socket) send(p, oob []byte) (n int, err error) {
	werr := s.raw.Write(func(fd uintptr) bool {
		for {
			n, err = unix.SendmsgN(int(fd), p, oob, nil, 0)
			if err != unix.EINTR {
				return err != unix.EAGAIN
			}
		}
	})
	if werr != nil {
		return 0, werr
	}
	return max(n, 0), os.NewSyscallError("sendmsg", err)
}

// Read implements io.Reader.
func (r *unixReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if r.oob == nil {
		r.oob = make([]byte, unix.CmsgSpace(253*4))
	}
	n, on, err := r.conn.receive(p, r.oob)
	if on > 0 {
		msgs, perr := unix.ParseSocketControlMessage(r.oob[:on])
		if perr != nil {
			return n, corrupt("its control data cannot be read: %v", perr)
		}
		for _, m := range msgs {
			fds, perr := unix.ParseUnixRights(&m)
			if perr != nil {
				continue
			}
			files := make([]*os.File, len(fds))
			for i, fd := range fds {
				unix.CloseOnExec(fd)
				files[i] = os.NewFile(uintptr(fd), "received")
			}
			r.keep(files)
		}
	}
	if n == 0 && err == nil {
		return 0, io.EOF
	}
	return n, err
}

// withRights calls f with what passes files on. They cannot be closed meanwhile.
func (r *unixReader) withRights(files []*os.File, f func(rights []byte) error) error {
	return WithDescriptors(files, func(fds []int) error { return f(unix.UnixRights(fds...)) })
}

// WithDescriptors calls f with the descriptors of files. Who closes one of the files
// meanwhile does not close its descriptor before f has returned, so that the number
// cannot be that of another file by then. If a file is closed already the error matches
// ErrFile.
func WithDescriptors(files []*os.File, f func(fds []int) error) error {
	fds := make([]int, 0, len(files))
	var hold func(rest []*os.File) error
	hold = func(rest []*os.File) (err error) {
		if len(rest) == 0 {
			return f(fds)
		}
		c, err := rest[0].SyscallConn()
		if err != nil {
			return fmt.Errorf("%w: %w", ErrFile, err)
		}
		cerr := c.Control(func(fd uintptr) {
			fds = append(fds, int(fd))
			err = hold(rest[1:])
		})
		if cerr != nil {
			return fmt.Errorf("%w: %w", ErrFile, cerr)
		}
		return err
	}
	return hold(files)
}

// write writes b together with the rights to files. It returns how much of b is written.
func (r *unixReader) write(b, rights []byte) (int, error) {
	n, err := r.conn.send(b, rights)
	if err == nil && n < len(b) {
		var m int
		m, err = r.conn.Write(b[n:])
		n += m
	}
	return n, err
}
