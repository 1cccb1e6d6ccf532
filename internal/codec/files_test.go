package codec

import (
	"errors"
	"io/fs"
	"os"
	"reflect"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"github.com/go-braid/braid/internal/proctest"
)

// attachment holds an open file.
type attachment struct {
	Carrier
	f *os.File
}

func (a attachment) MarshalCBOR() ([]byte, error) {
	if a.f == nil {
		return cbor.Marshal(-1)
	}
	n, err := AttachFile(a.f)
	if err != nil {
		return nil, err
	}
	return cbor.Marshal(n)
}

func (a *attachment) UnmarshalCBOR(b []byte) error {
	var n int
	if err := cbor.Unmarshal(b, &n); err != nil || n == -1 {
		return err
	}
	var err error
	a.f, err = TakeFile(n)
	return err
}

type letter struct {
	Text  string
	First attachment
	More  []*attachment
	Other any
}

// null opens a file that the test closes.
func null(t *testing.T) *os.File {
	t.Helper()
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func isClosed(f *os.File) bool {
	_, err := f.Stat()
	return errors.Is(err, fs.ErrClosed)
}

func TestFilesTravel(t *testing.T) {
	proctest.Check(t)
	c, err := For(reflect.TypeFor[letter]())
	if err != nil {
		t.Fatal(err)
	}
	a, b, d := null(t), null(t), null(t)
	small, bulk, files, err := Append(c, nil, &letter{"hello", attachment{f: a}, []*attachment{{f: b}, nil, {}}, attachment{f: d}})
	if err != nil || len(files) != 3 || files[0] != a || files[1] != b || files[2] != d {
		t.Fatalf("Append = %v, %v; want the three files", files, err)
	}
	spare := null(t)
	// What is in an any is not known there, so its file is nobody's.
	var got letter
	if err := Decode(c, append(small, bulk...), true, append(files, spare), &got); err != nil {
		t.Fatal(err)
	}
	if got.Text != "hello" || got.First.f != a || len(got.More) != 3 || got.More[0].f != b || got.More[1] != nil || got.More[2].f != nil {
		t.Errorf("Decode = %+v", got)
	}
	if isClosed(a) || isClosed(b) {
		t.Error("a file that was taken is closed")
	}
	if !isClosed(d) || !isClosed(spare) {
		t.Error("a file that nobody has taken is open")
	}
}

func TestFilesAreClosedAfterFailure(t *testing.T) {
	proctest.Check(t)
	c, err := For(reflect.TypeFor[[]attachment]())
	if err != nil {
		t.Fatal(err)
	}
	f := null(t)
	small, _, files, err := Append(c, nil, &[]attachment{{f: f}, {f: f}})
	if err != nil {
		t.Fatal(err)
	}
	var got []attachment
	if err := Decode(c, small[:len(small)-1], true, files[:1:1], &got); err == nil || !isClosed(f) {
		t.Errorf("Decode of half a value = %v, closed %v", err, isClosed(f))
	}
	if err := Decode(c, small, true, nil, &got); err == nil {
		t.Error("Decode without the files succeeded")
	}
	// The same number twice is one file.
	f = null(t)
	if err := Decode(c, []byte("\x82\x00\x00"), true, []*os.File{f}, &got); err == nil {
		t.Error("a file was taken twice")
	}
}

func TestFilesOfATypeWithoutFiles(t *testing.T) {
	proctest.Check(t)
	closes(t, 1)
	closes(t, "text")
	closes(t, []byte{1})
	closes(t, empty{})
	closes(t, point{1, 2})
}

func closes[T any](t *testing.T, v T) {
	t.Helper()
	c, err := For(reflect.TypeFor[T]())
	if err != nil {
		t.Fatal(err)
	}
	small, bulk, _, err := Append(c, nil, &v)
	if err != nil {
		t.Fatal(err)
	}
	f := null(t)
	if err := Decode(c, append(small, bulk...), true, []*os.File{f}, &v); err != nil || !isClosed(f) {
		t.Errorf("Decode of a %T with a file = %v, closed: %v", v, err, isClosed(f))
	}
}

func TestFilesOutsideOfAMessage(t *testing.T) {
	proctest.Check(t)
	f := null(t)
	if _, err := cbor.Marshal(attachment{f: f}); !errors.Is(err, errNoMessage) && (err == nil || err.Error() != errNoMessage.Error()) {
		t.Errorf("Marshal = %v, want %v", err, errNoMessage)
	}
	if _, err := AttachFile(f); !errors.Is(err, errNoMessage) {
		t.Errorf("AttachFile = %v", err)
	}
	if _, err := TakeFile(0); !errors.Is(err, errNoMessage) {
		t.Errorf("TakeFile = %v", err)
	}
	// Nor does a message leave anything behind.
	c, err := For(reflect.TypeFor[attachment]())
	if err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := Append(c, nil, &attachment{f: f}); err != nil {
		t.Fatal(err)
	}
	if _, err := AttachFile(f); !errors.Is(err, errNoMessage) {
		t.Errorf("AttachFile after a message = %v", err)
	}
}
