package asyncio

import (
	"context"
	"io/fs"
	"os"
)

// ReadFile is [os.ReadFile] by [ToThread]. An ordinary file cannot be waited for as
// a connection can: to epoll and its like it is always ready, even when a read will
// stand still until a disk has turned. So files need threads.
func ReadFile(ctx context.Context, name string) ([]byte, error) {
	return ToThread(ctx, func(context.Context) ([]byte, error) { return os.ReadFile(name) })
}

// WriteFile is [os.WriteFile] by [ToThread]. It is not cut short when ctx is done,
// and leaves no half of the file behind for that reason.
func WriteFile(ctx context.Context, name string, data []byte, perm fs.FileMode) error {
	return toThread(ctx, func(context.Context) error { return os.WriteFile(name, data, perm) })
}

// A File is an open file whose methods are those of [os.File], called by [ToThread]:
// the coroutine that calls one parks, and the loop goes on. Each call costs a
// switch to another goroutine and back, so read and write large pieces, by bufio if
// need be. An operation that has begun goes on to its end when its coroutine is
// cancelled; one of a coroutine that is cancelled already does not begin, except
// for Close.
//
// A File is for the coroutines of the loop on which it was opened. To use a file
// from a function that ToThread runs, open it there with package os.
type File struct {
	file *os.File
	loop *Loop // nil: opened outside of any
}

// Open opens the file for reading. Errors are as those of [os.Open].
func Open(ctx context.Context, name string) (*File, error) {
	return OpenFile(ctx, name, os.O_RDONLY, 0)
}

// OpenFile opens the file with a flag and, if it makes the file, a mode as for
// [os.OpenFile].
func OpenFile(ctx context.Context, name string, flag int, perm fs.FileMode) (*File, error) {
	f := &File{loop: LoopOf(ctx)}
	opened := false
	defer func() {
		if !opened && f.file != nil {
			f.file.Close() // the coroutine is unwound, and nobody gets the file
		}
	}()
	err := toThread(ctx, func(context.Context) (err error) {
		f.file, err = os.OpenFile(name, flag, perm)
		return err
	})
	opened = true
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Name returns the name that the file was opened with.
func (f *File) Name() string { return f.file.Name() }

// Read is as [os.File.Read].
func (f *File) Read(b []byte) (int, error) {
	return f.transfer(func() (int, error) { return f.file.Read(b) })
}

// ReadAt is as [os.File.ReadAt].
func (f *File) ReadAt(b []byte, off int64) (int, error) {
	return f.transfer(func() (int, error) { return f.file.ReadAt(b, off) })
}

// Write is as [os.File.Write].
func (f *File) Write(b []byte) (int, error) {
	return f.transfer(func() (int, error) { return f.file.Write(b) })
}

// WriteAt is as [os.File.WriteAt].
func (f *File) WriteAt(b []byte, off int64) (int, error) {
	return f.transfer(func() (int, error) { return f.file.WriteAt(b, off) })
}

// Seek is as [os.File.Seek]. It does not wait, for nothing is read.
func (f *File) Seek(offset int64, whence int) (int64, error) { return f.file.Seek(offset, whence) }

// Sync is as [os.File.Sync].
func (f *File) Sync() error {
	return toThread(f.context(), func(context.Context) error { return f.file.Sync() })
}

// Close is as [os.File.Close]. It closes the file even in a coroutine that is
// cancelled.
func (f *File) Close() (err error) {
	closed := false
	defer func() {
		if !closed { // the coroutine is being unwound, and cannot wait
			err = f.file.Close()
		}
	}()
	return toThread(context.WithoutCancel(f.context()), func(context.Context) error {
		closed = true
		return f.file.Close()
	})
}

func (f *File) transfer(do func() (int, error)) (int, error) {
	return ToThread(f.context(), func(context.Context) (int, error) { return do() })
}

// context returns that of the coroutine that runs.
func (f *File) context() context.Context {
	if f.loop == nil {
		return context.Background()
	}
	return &f.loop.current().co.ctx
}
