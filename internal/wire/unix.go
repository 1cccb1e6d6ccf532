//go:build unix

package wire

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Read implements io.Reader.
func (r *unixReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	oob := make([]byte, unix.CmsgSpace(253*4))
	n, on, _, _, err := r.conn.ReadMsgUnix(p, oob)
	n = max(n, 0) // it is the system call's, -1 with an error
	if on > 0 {
		msgs, perr := unix.ParseSocketControlMessage(oob[:on])
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

// rights returns what passes files on. They must stay open until it is sent.
func (r *unixReader) rights(files []*os.File) ([]byte, error) {
	fds := make([]int, len(files))
	for i, f := range files {
		c, err := f.SyscallConn()
		if err != nil {
			return nil, err
		}
		if err := c.Control(func(fd uintptr) { fds[i] = int(fd) }); err != nil {
			return nil, err
		}
	}
	return unix.UnixRights(fds...), nil
}

// write writes b together with the rights to files.
func (r *unixReader) write(b, rights []byte) error {
	n, _, err := r.conn.WriteMsgUnix(b, rights, nil)
	if err == nil && n < len(b) {
		_, err = r.conn.Write(b[n:])
	}
	return err
}
