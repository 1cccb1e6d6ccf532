package shm

import (
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const seals = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_SEAL

func create(name string, size int64) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(fd), name)
	if err := f.Truncate(size); err != nil {
		f.Close()
		return nil, err
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		f.Close()
		return nil, os.NewSyscallError("fcntl", err)
	}
	return f, nil
}

func check(f *os.File) (int64, error) {
	c, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	var st unix.Stat_t
	var have int
	var serr, ferr error
	if err := c.Control(func(fd uintptr) {
		have, ferr = unix.FcntlInt(fd, unix.F_GET_SEALS, 0)
		serr = unix.Fstat(int(fd), &st)
	}); err != nil {
		return 0, err
	}
	switch {
	case ferr != nil:
		return 0, fmt.Errorf("shm: not a sealed memory file: %w", ferr)
	case serr != nil:
		return 0, os.NewSyscallError("fstat", serr)
	case have&seals != seals:
		return 0, fmt.Errorf("shm: the memory file is not sealed against a change of its size")
	}
	return st.Size, nil
}

func identify(f *os.File) (device, inode uint64, err error) {
	c, err := f.SyscallConn()
	if err != nil {
		return 0, 0, err
	}
	var st unix.Stat_t
	var serr error
	if err := c.Control(func(fd uintptr) { serr = unix.Fstat(int(fd), &st) }); err != nil {
		return 0, 0, err
	}
	return uint64(st.Dev), uint64(st.Ino), os.NewSyscallError("fstat", serr)
}

func mapFile(f *os.File, copies int) (*Mapping, error) {
	size, err := check(f)
	if err != nil {
		return nil, err
	}
	page := int64(os.Getpagesize())
	if size <= 0 || copies > 1 && size%page != 0 {
		return nil, fmt.Errorf("shm: a memory file of %d bytes cannot be mapped %d times in a row", size, copies)
	}
	c, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	total := uintptr(size) * uintptr(copies)
	base, err := unix.MmapPtr(-1, 0, nil, total, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, os.NewSyscallError("mmap", err)
	}
	for i := range copies {
		at := unsafe.Add(base, uintptr(i)*uintptr(size))
		var merr error
		err := c.Control(func(fd uintptr) {
			_, merr = unix.MmapPtr(int(fd), 0, at, uintptr(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_FIXED)
		})
		if err == nil {
			err = merr
		}
		if err != nil {
			_ = unix.MunmapPtr(base, total)
			return nil, os.NewSyscallError("mmap", err)
		}
	}
	return &Mapping{b: unsafe.Slice((*byte)(base), total)}, nil
}

func unmap(b []byte) error {
	return os.NewSyscallError("munmap", unix.MunmapPtr(unsafe.Pointer(unsafe.SliceData(b)), uintptr(len(b))))
}

func discard(b []byte) error {
	return os.NewSyscallError("madvise", unix.Madvise(b, unix.MADV_REMOVE))
}

const (
	futexWait = 0
	futexWake = 1
)

func wait(addr *uint32, val uint32, timeout time.Duration) error {
	if atomic.LoadUint32(addr) != val {
		return nil
	}
	var ts *unix.Timespec
	if timeout >= 0 {
		t := unix.NsecToTimespec(int64(timeout))
		ts = &t
	}
	_, _, e := unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(addr)), futexWait, uintptr(val), uintptr(unsafe.Pointer(ts)), 0, 0)
	runtime.KeepAlive(ts)
	switch e {
	case 0, unix.EAGAIN, unix.EINTR:
		return nil
	case unix.ETIMEDOUT:
		return os.ErrDeadlineExceeded
	}
	return os.NewSyscallError("futex", e)
}

func wake(addr *uint32, n int) error {
	_, _, e := unix.RawSyscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(addr)), futexWake, uintptr(n), 0, 0, 0)
	if e != 0 {
		return os.NewSyscallError("futex", e)
	}
	return nil
}
