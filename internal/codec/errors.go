package codec

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"reflect"
	"sync"
	"syscall"
	"unicode/utf8"

	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/strand"
)

// Bounds of an error on its way: what is longer is cut, so that every error arrives.
const (
	maxErrorText  = 128 << 10 // bytes of one text
	maxErrorNodes = 256       // errors in a tree
	maxErrorDepth = 64
	// MaxError is the largest number of bytes that [AppendError] appends.
	MaxError = 512 << 10
)

// A node is an error in the tree that errors.Is walks.
type node struct {
	Kind     string  // the name of a kind; empty: only type and text
	Type     string  `cbor:",omitempty"` // the Go type
	Text     string  `cbor:",omitempty"` // what Error returned
	Payload  []byte  `cbor:",omitempty"` // what the kind has written
	Children []*node `cbor:",omitempty"` // what Unwrap returned
}

// A kind is a type of errors that arrive as what they were.
type kind struct {
	name string
	// pack writes what must travel of err besides the errors that it wraps.
	pack func(err error) ([]byte, error)
	// unpack makes the error again.
	unpack func(payload []byte, wrapped []error) (error, error)
	// told is whether type and text travel too: it is the program that registers the
	// type, and the other process may not have done so.
	told bool
}

var registry = struct {
	sync.RWMutex
	sentinels map[error]string
	byName    map[string]error
	kinds     map[reflect.Type]*kind
	kindNames map[string]*kind
}{
	sentinels: make(map[error]string), byName: make(map[string]error),
	kinds: make(map[reflect.Type]*kind), kindNames: make(map[string]*kind),
}

const sentinelKind = "sentinel"

// RegisterError has sentinels arrive as themselves. It is for the initialisation of
// packages: both processes must do it. It panics if two sentinels have the same text,
// by which they are told apart.
func RegisterError(sentinels ...error) {
	registry.Lock()
	defer registry.Unlock()
	for _, err := range sentinels {
		if err == nil || !reflect.ValueOf(err).Comparable() {
			panic(fmt.Sprintf("braid: RegisterError: an error of type %T is no sentinel: it cannot be compared", err))
		}
		name := err.Error()
		if old, ok := registry.byName[name]; ok && old != err {
			panic(fmt.Sprintf("braid: RegisterError: there are two sentinels with the text %q, by which they are told apart: a %T and a %T; change one text", name, old, err))
		}
		registry.sentinels[err], registry.byName[name] = name, err
	}
}

// RegisterErrorType has errors of type E arrive as what they were: their exported fields
// travel, which must be possible. It panics if it is not.
func RegisterErrorType[E error]() {
	t := reflect.TypeFor[E]()
	value := t
	if t.Kind() == reflect.Pointer {
		value = t.Elem()
	}
	c, err := For(value)
	if err != nil || t.Kind() == reflect.Interface {
		panic(fmt.Sprintf("braid: RegisterErrorType: values of type %v cannot travel: %v", t, err))
	}
	register(t, &kind{
		name: t.String() + " of " + value.PkgPath(),
		told: true,
		pack: func(err error) ([]byte, error) {
			if c.deep && isDeeper(reflect.ValueOf(err), maxDepth) {
				return nil, errDeep
			}
			return marshal(err)
		},
		unpack: func(payload []byte, _ []error) (error, error) {
			v := reflect.New(value)
			err := protect(c.own, func() error { return unmarshal(payload, v.Interface()) })
			if err != nil {
				return nil, err
			}
			if t.Kind() != reflect.Pointer {
				v = v.Elem()
			}
			return v.Interface().(error), nil
		},
	})
}

func register(t reflect.Type, k *kind) {
	registry.Lock()
	defer registry.Unlock()
	registry.kinds[t], registry.kindNames[k.name] = k, k
}

// wrapping registers a type of which the fields in P and the errors that it wraps travel.
func wrapping[E error, P any](pack func(E) P, unpack func(P, []error) error) {
	t := reflect.TypeFor[E]()
	register(t, &kind{
		name: t.String(),
		pack: func(err error) ([]byte, error) { return marshal(pack(err.(E))) },
		unpack: func(payload []byte, wrapped []error) (error, error) {
			var p P
			if err := unmarshal(payload, &p); err != nil {
				return nil, err
			}
			return unpack(p, wrapped), nil
		},
	})
}

// first returns the error that a wrapper had wrapped.
func first(wrapped []error) error {
	if len(wrapped) == 0 {
		return errors.New("unknown error")
	}
	return wrapped[0]
}

func init() {
	RegisterError(
		context.Canceled, context.DeadlineExceeded,
		io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, io.ErrShortWrite, io.ErrNoProgress,
		fs.ErrNotExist, fs.ErrExist, fs.ErrPermission, fs.ErrClosed, fs.ErrInvalid,
		os.ErrDeadlineExceeded, os.ErrProcessDone, errors.ErrUnsupported, exec.ErrNotFound,
		engine.ErrNotStarted, engine.ErrSaturated, engine.ErrClosed, engine.ErrGoexit, engine.ErrPoison,
		strand.ErrBarrierBroken, strand.ErrBroken, strand.ErrFull, strand.ErrEmpty, strand.ErrShutdown,
		strand.ErrNoIdentity, strand.ErrReentrant,
	)
	wrapping(func(e syscall.Errno) uint64 { return uint64(e) },
		func(n uint64, _ []error) error { return syscall.Errno(n) })
	wrapping(func(e *fs.PathError) [2]string { return [2]string{e.Op, e.Path} },
		func(p [2]string, w []error) error { return &fs.PathError{Op: p[0], Path: p[1], Err: first(w)} })
	wrapping(func(e *os.LinkError) [3]string { return [3]string{e.Op, e.Old, e.New} },
		func(p [3]string, w []error) error {
			return &os.LinkError{Op: p[0], Old: p[1], New: p[2], Err: first(w)}
		})
	wrapping(func(e *os.SyscallError) string { return e.Syscall },
		func(p string, w []error) error { return &os.SyscallError{Syscall: p, Err: first(w)} })

	type fault struct {
		Text  string
		Stack []byte
	}
	wrapping(func(e *engine.PanicError) fault {
		return fault{Text: cut(fmt.Sprint(e.Value)), Stack: e.Stack[:min(len(e.Stack), maxErrorText)]}
	}, func(f fault, w []error) error {
		if len(w) > 0 {
			return &engine.PanicError{Value: w[0], Stack: f.Stack}
		}
		return &engine.PanicError{Value: f.Text, Stack: f.Stack}
	})
	wrapping(func(e *engine.TimeoutError) engine.TimeoutError { return *e },
		func(e engine.TimeoutError, _ []error) error { return &e })
	wrapping(func(e *engine.CrashError) engine.CrashError {
		c := *e
		c.Reason, c.Stderr = cut(c.Reason), cut(c.Stderr)
		return c
	}, func(e engine.CrashError, _ []error) error { return &e })
	wrapping(func(e *engine.CodecError) engine.Phase { return e.Phase },
		func(p engine.Phase, w []error) error { return &engine.CodecError{Phase: p, Err: first(w)} })
	wrapping(func(*engine.NotStartedError) struct{} { return struct{}{} },
		func(_ struct{}, w []error) error { return &engine.NotStartedError{Err: first(w)} })
	wrapping(func(*engine.LostError) struct{} { return struct{}{} },
		func(_ struct{}, w []error) error { return &engine.LostError{Err: first(w)} })

	type call struct {
		Task, Engine    string
		Worker, Attempt int
	}
	wrapping(func(e *engine.TaskError) call { return call{e.Task, e.Engine, e.Worker, e.Attempt} },
		func(c call, w []error) error {
			return &engine.TaskError{Task: c.Task, Engine: c.Engine, Worker: c.Worker, Attempt: c.Attempt, Err: first(w)}
		})
	wrapping(func(e *engine.RemoteError) [2]string { return [2]string{e.Type, cut(e.Text)} },
		func(p [2]string, w []error) error { return &engine.RemoteError{Type: p[0], Text: p[1], Wrapped: w} })
}

// cut cuts a text that is too long, between two characters.
func cut(s string) string {
	if len(s) <= maxErrorText {
		return s
	}
	n := maxErrorText
	for n > maxErrorText-utf8.UTFMax && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "… (cut)"
}

// AppendError writes an error, at most [MaxError] bytes. An error arrives as itself if it
// is a registered sentinel, as its like if it is of a registered type, and else as an
// [*engine.RemoteError] with its type, its text and what it wraps. Err must not be nil.
func AppendError(buf []byte, err error) []byte {
	nodes := 0
	b, merr := marshal(pack(err, 0, &nodes))
	if merr != nil || len(b) > MaxError {
		nodes = maxErrorNodes // the rest of the tree must stay here
		b, _ = marshal(pack(err, 0, &nodes))
	}
	return append(buf, b...)
}

// pack makes the node of err. Nodes counts them.
func pack(err error, depth int, nodes *int) (n *node) {
	*nodes++
	n = &node{Type: fmt.Sprintf("%T", err)}
	defer func() {
		if v := recover(); v != nil { // its methods are the user's
			n.Kind, n.Payload, n.Children = "", nil, nil
			n.Text = cut(fmt.Sprintf("%s (and a method of it panicked: %v)", n.Text, v))
		}
	}()
	// A value of a comparable type need not be comparable: an interface in it may hold
	// a slice.
	comparable := reflect.ValueOf(err).Comparable()
	registry.RLock()
	name, isSentinel := "", false
	if comparable {
		name, isSentinel = registry.sentinels[err]
	}
	k := registry.kinds[reflect.TypeOf(err)]
	registry.RUnlock()
	if isSentinel {
		n.Kind, n.Text = sentinelKind, name
		return n
	}
	n.Text = cut(err.Error())
	if *nodes > maxErrorNodes || depth > maxErrorDepth {
		return n
	}
	if k != nil {
		if b, err := k.pack(err); err == nil && len(b) <= MaxError {
			n.Kind, n.Payload = k.name, b
		}
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		if w := e.Unwrap(); w != nil {
			n.Children = append(n.Children, pack(w, depth+1, nodes))
		}
	case interface{ Unwrap() []error }:
		for _, w := range e.Unwrap() {
			if w != nil && *nodes < maxErrorNodes {
				n.Children = append(n.Children, pack(w, depth+1, nodes))
			}
		}
	}
	if n.Kind != "" && !k.told {
		n.Type, n.Text = "", ""
	}
	return n
}

// DecodeError reads an error that [AppendError] has written. Broken says why it cannot.
func DecodeError(data []byte) (err, broken error) {
	var n node
	if err := unmarshal(data, &n); err != nil {
		return nil, err
	}
	nodes := 0
	err = n.unpack(0, &nodes)
	if err == nil {
		return nil, errors.New("the tree of errors is too large")
	}
	return err, nil
}

// unpack returns nil for what is beyond the bounds.
func (n *node) unpack(depth int, nodes *int) error {
	if *nodes++; n == nil || *nodes > 2*maxErrorNodes || depth > 2*maxErrorDepth {
		return nil
	}
	var wrapped []error
	for _, c := range n.Children {
		if err := c.unpack(depth+1, nodes); err != nil {
			wrapped = append(wrapped, err)
		}
	}
	registry.RLock()
	sentinel := registry.byName[n.Text]
	k := registry.kindNames[n.Kind]
	registry.RUnlock()
	switch {
	case n.Kind == sentinelKind && sentinel != nil:
		return sentinel
	case k != nil:
		err, broken := k.unpack(n.Payload, wrapped)
		if broken == nil {
			return err
		}
	}
	return &engine.RemoteError{Type: n.Type, Text: n.Text, Wrapped: wrapped}
}
