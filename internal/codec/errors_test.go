package codec

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/strand"
)

var (
	errOurs   = errors.New("codec test: ours")
	errTwin   = errors.New("codec test: twin")
	errUnsent = errors.New("codec test: registered by nobody")
)

type (
	byValue   struct{ Code int }
	byPointer struct {
		Code int
		Tags []string
	}
	ring struct {
		Next *ring
		Any  any
	}
	shaky   struct{ Mode string }
	holding struct{ V any }
)

func (e byValue) Error() string    { return fmt.Sprint("value ", e.Code) }
func (e *byPointer) Error() string { return fmt.Sprint("pointer ", e.Code) }
func (e *ring) Error() string      { return "ring" }
func (e holding) Error() string    { return fmt.Sprint("holding ", e.V) }

func (e *shaky) Error() string {
	if e.Mode == "Error" {
		panic("no words")
	}
	return "shaky " + e.Mode
}

func (e *shaky) Unwrap() error {
	if e.Mode == "Unwrap" {
		panic("no wrapper")
	}
	return nil
}

func (e *shaky) MarshalText() ([]byte, error) {
	if e.Mode == "MarshalText" {
		panic("no pen")
	}
	return []byte(e.Mode), nil
}

func (e *shaky) UnmarshalText(b []byte) error {
	if e.Mode = string(b); e.Mode == "UnmarshalText" {
		panic("no glasses")
	}
	return nil
}

func init() {
	RegisterError(errOurs, errTwin)
	RegisterErrorType[byValue]()
	RegisterErrorType[*byPointer]()
	RegisterErrorType[*ring]()
	RegisterErrorType[*shaky]()
}

// send returns err as it arrives.
func send(t *testing.T, err error) error {
	t.Helper()
	b := AppendError([]byte("head"), err)
	if string(b[:4]) != "head" || len(b) > 4+MaxError {
		t.Fatalf("AppendError has written %d bytes behind %q", len(b)-4, b[:4])
	}
	got, broken := DecodeError(b[4:])
	if broken != nil || got == nil {
		t.Fatalf("DecodeError = %v, %v", got, broken)
	}
	return got
}

func TestSentinelsArriveAsThemselves(t *testing.T) {
	for _, want := range []error{
		errOurs, context.Canceled, context.DeadlineExceeded, io.EOF, fs.ErrNotExist, os.ErrDeadlineExceeded,
		engine.ErrPoison, strand.ErrFull,
	} {
		if got := send(t, want); got != want {
			t.Errorf("%v arrived as a %T", want, got)
		}
		got := send(t, fmt.Errorf("outer: %w", fmt.Errorf("inner: %w", want)))
		if !errors.Is(got, want) || got.Error() != "outer: inner: "+want.Error() {
			t.Errorf("wrapped %v arrived as %v", want, got)
		}
	}
	got := send(t, errUnsent)
	var remote *engine.RemoteError
	if errors.Is(got, errUnsent) || !errors.As(got, &remote) || remote.Type != "*errors.errorString" || remote.Text != errUnsent.Error() {
		t.Errorf("an unknown error arrived as %#v", got)
	}
}

func TestTypesArriveAsTheirLike(t *testing.T) {
	_, notExist := os.Open("/nonexistent/file")
	for _, want := range []error{
		byValue{7}, &byPointer{7, []string{"a"}}, &shaky{"fine"}, &ring{Next: &ring{}},
		syscall.ENOENT, syscall.EAGAIN, notExist,
		&fs.PathError{Op: "op", Path: "/p", Err: errOurs},
		&os.LinkError{Op: "link", Old: "a", New: "b", Err: syscall.EXDEV},
		os.NewSyscallError("wait", syscall.ECHILD),
		&engine.PanicError{Value: "boom", Stack: []byte("stack")},
		&engine.PanicError{Value: io.EOF, Stack: []byte("stack")},
		&engine.TimeoutError{Limit: time.Second, Phase: engine.PhaseRun},
		&engine.CodecError{Phase: engine.PhaseDecode, Err: io.ErrUnexpectedEOF},
		&engine.NotStartedError{Err: engine.ErrSaturated},
		&engine.LostError{Err: io.EOF},
		&engine.CrashError{PID: 3, Reason: "r", Stderr: "s"},
		&engine.TaskError{Task: "t", Engine: "e", Worker: 1, Attempt: 2, Err: byValue{8}},
		&engine.RemoteError{Type: "*x.Y", Text: "far", Wrapped: []error{io.EOF}},
	} {
		got := send(t, want)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%#v arrived as %#v", want, got)
		}
		if got = send(t, fmt.Errorf("in: %w", want)); !wraps(got, want) || !strings.HasPrefix(got.Error(), "in: ") {
			t.Errorf("%v arrived as %v", want, got)
		}
	}
	if !errors.Is(send(t, notExist), fs.ErrNotExist) || !errors.Is(send(t, notExist), syscall.ENOENT) {
		t.Error("a file that does not exist arrived as something else")
	}
}

// wraps reports whether err is a RemoteError that wraps the like of want.
func wraps(err, want error) bool {
	remote, ok := err.(*engine.RemoteError)
	return ok && len(remote.Wrapped) == 1 && reflect.DeepEqual(remote.Wrapped[0], want)
}

func TestTreesArrive(t *testing.T) {
	tree := fmt.Errorf("both: %w, %w", errors.Join(io.EOF, errUnsent, byValue{1}), &fs.PathError{Op: "o", Path: "p", Err: syscall.EPERM})
	got := send(t, tree)
	if got.Error() != tree.Error() {
		t.Errorf("text = %q, want %q", got, tree)
	}
	for _, want := range []error{io.EOF, byValue{1}, syscall.EPERM, fs.ErrPermission} {
		if !errors.Is(got, want) {
			t.Errorf("%v is not in what arrived", want)
		}
	}
	if errors.Is(got, io.ErrUnexpectedEOF) {
		t.Error("something is in it that was not sent")
	}
	var path *fs.PathError
	if !errors.As(got, &path) || path.Path != "p" {
		t.Errorf("errors.As = %v", path)
	}
	if again := send(t, got); !reflect.DeepEqual(again, got) {
		t.Errorf("what arrived and was sent on arrived as %#v, want %#v", again, got)
	}
}

func TestHugeTextsAreCut(t *testing.T) {
	for _, unit := range []string{"x", "ä", "€", "\x80"} {
		text := strings.Repeat(unit, 5*MaxError)
		got := send(t, fmt.Errorf("%s%w", text, errors.New(text))).Error()
		body, ok := strings.CutSuffix(got, "… (cut)")
		if !ok || len(body) > maxErrorText || len(body) < maxErrorText-utf8.UTFMax || !strings.HasPrefix(text, body) {
			t.Errorf("a text of %d times %q arrived as %d bytes, cut: %v", 5*MaxError, unit, len(got), ok)
		}
	}
	crash := &engine.CrashError{Reason: strings.Repeat("r", MaxError), Stderr: strings.Repeat("s", MaxError)}
	var got *engine.CrashError
	if !errors.As(send(t, crash), &got) || len(got.Stderr) > maxErrorText+20 || len(got.Reason) > maxErrorText+20 {
		t.Error("a crash with huge texts has not arrived as one, cut")
	}
	if len(crash.Stderr) != MaxError {
		t.Error("the error that was sent has changed")
	}
}

func TestLargeTreesAreBounded(t *testing.T) {
	many := make([]error, 10_000)
	for i := range many {
		many[i] = fmt.Errorf("%d %s", i, strings.Repeat("x", 100))
	}
	many[0] = io.EOF
	if got := send(t, errors.Join(many...)); !errors.Is(got, io.EOF) {
		t.Error("the first of 10,000 errors is not in what arrived")
	}

	deep := error(io.EOF)
	for range 10_000 {
		deep = &engine.RemoteError{Text: "deep", Wrapped: []error{deep, engine.ErrPoison}}
	}
	if got := send(t, deep); !errors.Is(got, engine.ErrPoison) {
		t.Errorf("a chain of 10,000 errors arrived as a %T", got)
	}

	self := &engine.RemoteError{Text: "self"}
	self.Wrapped = []error{self, self}
	if got := send(t, self); got.Error() != "self" {
		t.Errorf("an error that wraps itself arrived as %v", got)
	}
}

func TestErrorsWhoseMethodsPanic(t *testing.T) {
	for _, tt := range []struct {
		mode string
		want []string
	}{
		{"Error", []string{"no words"}},
		{"Unwrap", []string{"shaky Unwrap", "no wrapper"}},
		{"MarshalText", []string{"shaky MarshalText", "no pen"}},
		{"UnmarshalText", []string{"shaky UnmarshalText"}},
	} {
		got := send(t, &shaky{tt.mode})
		var remote *engine.RemoteError
		if !errors.As(got, &remote) || remote.Type != "*codec.shaky" {
			t.Errorf("%s: arrived as %#v", tt.mode, got)
		}
		for _, want := range tt.want {
			if !strings.Contains(got.Error(), want) {
				t.Errorf("%s: arrived as %q, want %q in it", tt.mode, got, want)
			}
		}
	}
	if got := send(t, (*fs.PathError)(nil)); !strings.Contains(got.Error(), "panicked") {
		t.Errorf("a nil pointer arrived as %v", got)
	}
	if got := send(t, errors.Join(io.EOF, &shaky{"Error"}, byValue{1})); got.Error() == "" || !strings.Contains(got.Error(), "no words") {
		t.Errorf("a tree with one that panics arrived as %v", got)
	}
}

// The type of holding is comparable; what it holds is not.
func TestErrorThatCannotBeCompared(t *testing.T) {
	if got := send(t, holding{[]int{1}}); got.Error() != "holding [1]" {
		t.Errorf("arrived as %q", got)
	}
	RegisterError(errOurs) // takes the lock: it must be free
}

func TestErrorThatContainsItself(t *testing.T) {
	r := &ring{}
	r.Next = r
	a := &ring{}
	a.Any = a
	for _, err := range []error{r, a} {
		var remote *engine.RemoteError
		if got := send(t, err); !errors.As(got, &remote) || remote.Type != "*codec.ring" || remote.Text != "ring" {
			t.Errorf("arrived as %#v", got)
		}
	}
}

// The other process need not have registered the type.
func TestTypeUnknownThere(t *testing.T) {
	b, err := marshal(node{Kind: "elsewhere", Type: "*x.Y", Text: "far", Children: []*node{nil, {Kind: sentinelKind, Text: "EOF"}}})
	if err != nil {
		t.Fatal(err)
	}
	got, broken := DecodeError(b)
	want := &engine.RemoteError{Type: "*x.Y", Text: "far", Wrapped: []error{io.EOF}}
	if broken != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("DecodeError = %#v, %v", got, broken)
	}
	n := 0
	if p := pack(byValue{3}, 0, &n); p.Type != "codec.byValue" || p.Text != "value 3" {
		t.Errorf("a registered type travels as %+v, without type or text", p)
	}
}

func panicOf(f func()) (text string) {
	defer func() { text = fmt.Sprint(recover()) }()
	f()
	return ""
}

func TestRegistrationPanics(t *testing.T) {
	RegisterError(errTwin) // the same once more is none
	for name, tt := range map[string]struct {
		f    func()
		want []string
	}{
		"twin":           {func() { RegisterError(byTwin{}) }, []string{`"codec test: twin"`, "*errors.errorString", "codec.byTwin"}},
		"nil":            {func() { RegisterError(nil) }, []string{"no sentinel"}},
		"not comparable": {func() { RegisterError(holding{[]int{}}) }, []string{"codec.holding", "cannot be compared"}},
		"type":           {func() { RegisterErrorType[*onlyChan]() }, []string{"*codec.onlyChan", "onlyChan.C"}},
		"interface":      {func() { RegisterErrorType[error]() }, []string{"error", "cannot travel"}},
	} {
		got := panicOf(tt.f)
		for _, want := range tt.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: the panic is %q, want %q in it", name, got, want)
			}
		}
	}
}

type (
	byTwin   struct{}
	onlyChan struct{ C chan int }
)

func (byTwin) Error() string    { return errTwin.Error() }
func (*onlyChan) Error() string { return "" }

func FuzzDecodeError(f *testing.F) {
	f.Add([]byte{0xf6})
	f.Add(AppendError(nil, io.EOF))
	f.Add(AppendError(nil, fmt.Errorf("%w %w", byValue{1}, &shaky{"UnmarshalText"})))
	f.Add(AppendError(nil, &engine.TaskError{Task: "t", Err: &fs.PathError{Err: syscall.EPERM}}))
	f.Fuzz(func(t *testing.T, data []byte) {
		err, broken := DecodeError(data)
		if (err == nil) == (broken == nil) {
			t.Fatalf("DecodeError = %v, %v", err, broken)
		}
		if err != nil {
			if b := AppendError(nil, err); len(b) > MaxError {
				t.Fatalf("%d bytes for %.100v", len(b), err)
			}
		}
	})
}
