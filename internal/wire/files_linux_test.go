package wire

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/go-braid/braid/internal/proctest"
)

func socketStreams(t testing.TB) (a, b *Stream) {
	x, y := sockets(t, 1<<20)
	return x.(*Stream), y.(*Stream)
}

func newFile(t testing.TB, content string) *os.File {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// TestSendFiles sends files between other frames: each frame gets its own.
func TestSendFiles(t *testing.T) {
	proctest.Check(t)
	a, b := socketStreams(t)
	frames := 0
	for _, n := range []int{1, 2, 200} {
		files := make([]*os.File, n)
		for i := range files {
			files[i] = newFile(t, fmt.Sprint("file ", n, i))
		}
		h := Header{Kind: 2, Seq: uint64(n)}
		for _, err := range []error{
			a.Send(sample, nil, payload(100, 1)),
			a.SendFiles(h, files...),
			a.Send(sample, nil, nil),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		closeFiles(files)
		f, err := b.Recv()
		wantFrame(t, f, err, sample, nil, payload(100, 1))
		f, err = b.Recv()
		wantFrame(t, f, err, h, nil, nil)
		if len(f.Files) != n {
			t.Fatalf("%d files came, want %d", len(f.Files), n)
		}
		for i, file := range f.Files {
			got, err := io.ReadAll(file)
			if want := fmt.Sprint("file ", n, i); err != nil || string(got) != want {
				t.Errorf("file %d of %d holds %q, %v; want %q", i, n, got, err, want)
			}
		}
		closeFiles(f.Files)
		f, err = b.Recv()
		wantFrame(t, f, err, sample, nil, nil)
		if f.Files != nil {
			t.Errorf("%d files came with a frame without", len(f.Files))
		}
		frames += 3
	}
	if frames != 9 {
		t.Errorf("%d frames were tested, want 9", frames)
	}
}

func TestSendFilesRefuses(t *testing.T) {
	a, b := socketStreams(t)
	closed := newFile(t, "")
	closed.Close()
	for name, files := range map[string][]*os.File{
		"none":     nil,
		"too many": make([]*os.File, 201),
		"closed":   {closed},
		"nil":      {nil},
	} {
		if err := a.SendFiles(sample, files...); err == nil {
			t.Errorf("SendFiles of %s: no error", name)
		}
	}
	// The link is as good as before.
	if err := a.Send(sample, nil, nil); err != nil {
		t.Fatal(err)
	}
	f, err := b.Recv()
	wantFrame(t, f, err, sample, nil, nil)
}

// Close closes the files that nobody has received.
func TestFilesNotReceived(t *testing.T) {
	proctest.Check(t)
	a, b := socketStreams(t)
	// The header announces fewer files than come.
	if err := a.unix.withRights([]*os.File{newFile(t, ""), newFile(t, "")}, func(rights []byte) error {
		return a.write(&fragment{Header: sample, files: 1}, nil, nil, rights)
	}); err != nil {
		t.Fatal(err)
	}
	f, err := b.Recv()
	wantFrame(t, f, err, sample, nil, nil)
	if len(f.Files) != 1 || len(b.unix.files) != 1 {
		t.Errorf("%d files came and %d are kept, want 1 and 1", len(f.Files), len(b.unix.files))
	}
	closeFiles(f.Files)
	b.Close()
	// What comes while the link is closed is closed, too.
	late := newFile(t, "")
	b.unix.keep([]*os.File{late})
	if err := late.Close(); err == nil {
		t.Error("a file that came after Close is still open")
	}
}

func TestFilesMissing(t *testing.T) {
	a, b := socketStreams(t)
	if err := a.write(&fragment{Header: sample, files: 1}, nil, nil, nil); err != nil {
		t.Fatal(err)
	}
	_, err := b.Recv()
	wantCorrupt(t, "Recv of a file that has not come", err)
}

// TestSocketWakes ends a socket under who waits for it.
func TestSocketWakes(t *testing.T) {
	for name, end := range map[string]func(near, far *Stream){
		"Close":       func(near, _ *Stream) { near.Close() },
		"Close there": func(_, far *Stream) { far.Close() },
		"HangUp":      func(near, _ *Stream) { near.HangUp() },
	} {
		t.Run(name, func(t *testing.T) {
			proctest.Check(t)
			near, far := socketStreams(t)
			sent, received := make(chan error, 1), make(chan error, 1)
			first := make(chan struct{})
			go func() {
				_ = near.Send(sample, nil, nil)
				close(first)
				for {
					if err := near.Send(sample, nil, payload(1<<20, 0)); err != nil {
						sent <- err
						return
					}
				}
			}()
			go func() {
				_, err := near.Recv()
				received <- err
			}()
			<-first
			end(near, far)
			err := result(t, "Send", sent)
			if name == "Close" {
				wantError(t, "Send", err, ErrClosed)
				wantError(t, "Recv", result(t, "Recv", received), ErrClosed)
				return
			}
			// Who had sent more than was received hears of it, too: it is the same end.
			wantError(t, "Recv", result(t, "Recv", received), io.EOF)
			if name == "Close there" {
				wantError(t, "Send", err, syscall.EPIPE)
			}
		})
	}
}

// Who closes a file while its descriptor is used does not free the number.
func TestDescriptorsAreHeld(t *testing.T) {
	proctest.Check(t)
	f, g := newFile(t, "f"), newFile(t, "g")
	if err := WithDescriptors([]*os.File{f, g}, func(fds []int) error {
		if len(fds) != 2 {
			t.Fatalf("descriptors %v, want two", fds)
		}
		f.Close()
		g.Close()
		h := newFile(t, "h")
		return WithDescriptors([]*os.File{h}, func(others []int) error {
			if slices.Contains(fds, others[0]) {
				t.Errorf("a file that was opened meanwhile has the descriptor %d, one of %v", others[0], fds)
			}
			return nil
		})
	}); err != nil {
		t.Error(err)
	}
	if err := WithDescriptors([]*os.File{f}, func([]int) error { t.Error("called with a closed file"); return nil }); err == nil {
		t.Error("the descriptor of a closed file: no error")
	}
}
