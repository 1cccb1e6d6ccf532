// Package codec turns values into bytes and back, for another process of the same
// program.
//
// Numbers, strings, and slices of bytes or fixed-size numbers travel as their memory;
// everything else as CBOR (RFC 8949), with the rules of encoding/json for which fields
// count. What cannot travel is found by looking at the type alone, before any value is
// written.
package codec

import (
	"bytes"
	"fmt"
	"os"
	"reflect"
	"sync"
	"unsafe"

	"github.com/fxamacker/cbor/v2"
)

// bulkSize is the size, in bytes, from which the memory of a value is not copied by
// [Append].
const bulkSize = 32 << 10

// A form is how the values of a type are written.
type form uint8

const (
	formCBOR   form = iota
	formEmpty       // nothing: a struct without fields
	formFixed       // the memory of a number
	formString      // the bytes
	formSlice       // a byte that tells nil from empty, padding, and the memory of the elements
)

// A Codec writes and reads the values of one type.
type Codec struct {
	form  form
	elem  uintptr // the size of a number, or of an element of a slice
	deep  bool    // values may contain themselves
	files bool    // values may hold open files
}

var codecs sync.Map // of reflect.Type to *Codec or error

// For returns the codec of a type, or an [*UnsupportedError].
func For(t reflect.Type) (*Codec, error) {
	if c, ok := codecs.Load(t); ok {
		switch c := c.(type) {
		case *Codec:
			return c, nil
		case error:
			return nil, c
		}
	}
	c, err := codecOf(t)
	if err != nil {
		codecs.Store(t, err)
		return nil, err
	}
	codecs.Store(t, c)
	return c, nil
}

func codecOf(t reflect.Type) (*Codec, error) {
	w := walk{seen: make(map[reflect.Type]bool), open: make(map[reflect.Type]bool)}
	c := &Codec{}
	switch {
	case marshals(t):
	case t.Kind() == reflect.Struct && t.NumField() == 0:
		c.form = formEmpty
	case isFixed(t):
		c.form, c.elem = formFixed, t.Size()
	case t.Kind() == reflect.String:
		c.form = formString
	case t.Kind() == reflect.Slice && isFixed(t.Elem()) && !marshals(t.Elem()):
		c.form, c.elem = formSlice, t.Elem().Size()
	}
	if c.form == formCBOR {
		if err := w.check(t, nameOf(t)); err != nil {
			return nil, err
		}
		c.deep, c.files = w.deep, w.files
	}
	return c, nil
}

// isFixed reports whether t is a number of a size that is the same everywhere, or bool.
// The processes are of one program on one machine, so the order of bytes is as well.
func isFixed(t reflect.Type) bool {
	k := t.Kind()
	return reflect.Bool <= k && k <= reflect.Complex128 && k != reflect.Uintptr
}

// alignment is that of the elements of a slice within the payload that begins with
// Append's buf, so that who receives it need not copy them.
const alignment = 8

// Append writes *v: small, which begins with buf, and then bulk, which is memory of v
// itself and not copied. The files are those of values in it; they stay theirs. A panic
// of a marshaler is returned as an error.
func Append[T any](c *Codec, buf []byte, v *T) (small, bulk []byte, files []*os.File, err error) {
	switch c.form {
	case formEmpty:
		return buf, nil, nil, nil
	case formFixed:
		return append(buf, unsafe.Slice((*byte)(unsafe.Pointer(v)), c.elem)...), nil, nil, nil
	case formString:
		s := *(*string)(unsafe.Pointer(v))
		b := unsafe.Slice(unsafe.StringData(s), len(s))
		if len(b) >= bulkSize {
			return buf, b, nil, nil
		}
		return append(buf, b...), nil, nil, nil
	case formSlice:
		s := *(*[]byte)(unsafe.Pointer(v)) // its length counts elements
		b := unsafe.Slice(unsafe.SliceData(s), uintptr(len(s))*c.elem)
		switch {
		case s == nil:
			return append(buf, 0), nil, nil, nil
		case len(b) < bulkSize:
			return append(append(buf, 1), b...), nil, nil, nil
		}
		pad := -(len(buf) + 1) & (alignment - 1)
		buf = append(buf, byte(1+pad))
		return append(buf, make([]byte, pad)...), b, nil, nil
	}
	return c.appendCBOR(buf, v)
}

// Decode reads into *v what Append has written, small and bulk in one piece. If owned,
// the value may keep the memory of data. The files are the value's; those that it does
// not take are closed.
func Decode[T any](c *Codec, data []byte, owned bool, files []*os.File, v *T) error {
	if !c.files {
		closeFiles(files)
	}
	switch c.form {
	case formEmpty:
		if len(data) != 0 {
			return wrongLength(len(data), 0)
		}
		return nil
	case formFixed:
		if uintptr(len(data)) != c.elem {
			return wrongLength(len(data), int(c.elem))
		}
		if reflect.TypeFor[T]().Kind() == reflect.Bool && data[0] > 1 {
			return fmt.Errorf("a bool of value %d", data[0])
		}
		copy(unsafe.Slice((*byte)(unsafe.Pointer(v)), c.elem), data)
		return nil
	case formString:
		if !owned {
			data = bytes.Clone(data)
		}
		*(*string)(unsafe.Pointer(v)) = unsafe.String(unsafe.SliceData(data), len(data))
		return nil
	case formSlice:
		return c.decodeSlice(data, owned, unsafe.Pointer(v), reflect.TypeFor[T]().Elem().Kind() == reflect.Bool)
	}
	return c.decodeCBOR(data, files, v)
}

func wrongLength(got, want int) error {
	return fmt.Errorf("%d bytes where the value has %d", got, want)
}

func (c *Codec) decodeSlice(data []byte, owned bool, v unsafe.Pointer, bools bool) error {
	out := (*[]byte)(v)
	if len(data) == 0 || int(data[0]) > len(data) {
		return fmt.Errorf("the beginning of a slice is missing")
	}
	if data[0] == 0 {
		if len(data) > 1 {
			return wrongLength(len(data), 1)
		}
		*out = nil
		return nil
	}
	data = data[data[0]:]
	if uintptr(len(data))%c.elem != 0 {
		return fmt.Errorf("%d bytes for elements of %d bytes", len(data), c.elem)
	}
	if bools {
		for _, b := range data {
			if b > 1 {
				return fmt.Errorf("a bool of value %d", b)
			}
		}
	}
	if !owned || uintptr(unsafe.Pointer(unsafe.SliceData(data)))%min(c.elem, alignment) != 0 {
		data = clone(data)
	}
	n := uintptr(len(data)) / c.elem
	if n == 0 {
		data = make([]byte, 0, 1)
	}
	*out = unsafe.Slice(unsafe.SliceData(data), n)
	return nil
}

// clone returns a copy that is aligned for any number.
func clone(data []byte) []byte {
	words := make([]uint64, (len(data)+7)/8)
	b := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), len(data))
	copy(b, data)
	return b
}

var encMode, decMode = modes()

// maxDepth bounds how deep a value can be nested. Beyond it is taken to contain itself.
const maxDepth = 10_000

var errDeep = fmt.Errorf("the value is nested more than %d levels deep, or contains itself", maxDepth)

func modes() (cbor.UserBufferEncMode, cbor.DecMode) {
	enc, err := cbor.EncOptions{
		Time: cbor.TimeRFC3339Nano, TimeTag: cbor.EncTagRequired,
		TextMarshaler: cbor.TextMarshalerTextString,
	}.UserBufferEncMode()
	if err != nil {
		panic(err)
	}
	dec, err := cbor.DecOptions{
		IntDec:          cbor.IntDecConvertSignedOrBigInt,
		DefaultMapType:  reflect.TypeFor[map[string]any](),
		UTF8:            cbor.UTF8DecodeInvalid,
		MaxNestedLevels: 65535, MaxArrayElements: 1<<31 - 1, MaxMapPairs: 1<<31 - 1,
		TextUnmarshaler:   cbor.TextUnmarshalerTextString,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
	}.DecMode()
	if err != nil {
		panic(err)
	}
	return enc, dec
}

// appendCBOR writes the value that v points to.
func (c *Codec) appendCBOR(buf []byte, v any) (small, bulk []byte, files []*os.File, err error) {
	if c.deep && isDeeper(reflect.ValueOf(v), maxDepth) {
		return buf, nil, nil, errDeep
	}
	b := bytes.NewBuffer(buf)
	if c.files {
		attaching.Lock()
		defer attaching.Unlock()
		attaching.active, attaching.files = true, nil
		defer func() { attaching.active, attaching.files = false, nil }()
	}
	if err := protect(func() error { return encMode.MarshalToBuffer(v, b) }); err != nil {
		return buf, nil, nil, err
	}
	if c.files {
		files = attaching.files
	}
	return b.Bytes(), nil, files, nil
}

// decodeCBOR reads into what v points to.
func (c *Codec) decodeCBOR(data []byte, files []*os.File, v any) error {
	if c.files {
		taking.Lock()
		defer taking.Unlock()
		taking.active, taking.files = true, files
		defer func() {
			closeFiles(taking.files)
			taking.active, taking.files = false, nil
		}()
	}
	return protect(func() error { return decMode.Unmarshal(data, v) })
}

// protect turns a panic of a method of the user's into an error.
func protect(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("a method of a value in it panicked: %v", v)
		}
	}()
	return f()
}
