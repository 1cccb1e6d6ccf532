package codec

import (
	"encoding"
	"fmt"
	"reflect"

	"github.com/fxamacker/cbor/v2"
)

// An UnsupportedError says which part of a type cannot travel to another process.
type UnsupportedError struct {
	Type   reflect.Type // of the part
	Path   string       // how it is reached from the whole, such as "Job.Done"
	Reason string       // why it cannot
}

// Error names the part by its path.
func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("%s (%v) cannot travel to another process: %s", e.Path, e.Type, e.Reason)
}

// A walk visits the types that a type consists of.
type walk struct {
	seen  map[reflect.Type]bool
	open  map[reflect.Type]bool // those inside which the walk is
	deep  bool
	files bool
}

func nameOf(t reflect.Type) string {
	if n := t.Name(); n != "" {
		return n
	}
	return t.String()
}

// check returns why values of type t cannot travel.
func (w *walk) check(t reflect.Type, path string) error {
	if w.open[t] {
		w.deep = true
	}
	if w.seen[t] {
		return nil
	}
	w.seen[t], w.open[t] = true, true
	defer delete(w.open, t)
	refuse := func(format string, args ...any) error {
		return &UnsupportedError{Type: t, Path: path, Reason: fmt.Sprintf(format, args...)}
	}
	if carries(t) {
		w.files = true
		return nil
	}
	if marshals(t) {
		return nil
	}
	if half := marshalsOnly(t); half != "" {
		return refuse("it has a method %s but not its counterpart", half)
	}
	switch t.Kind() {
	case reflect.Chan:
		return refuse("a channel ends with its process; send values, or use multiprocessing.Queue")
	case reflect.Func:
		return refuse("a function ends with its process; define a task for it")
	case reflect.UnsafePointer, reflect.Uintptr:
		return refuse("an address means nothing elsewhere")
	case reflect.Complex64, reflect.Complex128:
		return refuse("CBOR has no complex numbers; take a pair of floats")
	case reflect.Interface:
		if t.NumMethod() > 0 {
			return refuse("who reads it cannot know which type implements it; name a type instead")
		}
		// Anything may be in it, and in that anything again.
		w.deep, w.files = true, true
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return w.check(t.Elem(), path)
	case reflect.Map:
		if err := w.check(t.Key(), path+" (key)"); err != nil {
			return err
		}
		return w.check(t.Elem(), path)
	case reflect.Struct:
		return w.checkStruct(t, path, refuse)
	}
	return nil
}

func (w *walk) checkStruct(t reflect.Type, path string, refuse func(string, ...any) error) error {
	travels := t.NumField() == 0
	for f := range t.Fields() {
		if skipped(f) {
			continue
		}
		travels = true
		if f.Anonymous && !f.IsExported() && f.Type.Kind() == reflect.Pointer {
			return &UnsupportedError{
				Type: f.Type, Path: path + "." + f.Name,
				Reason: "who reads it cannot set an embedded pointer to a type that is not exported; embed the struct itself",
			}
		}
		if err := w.check(f.Type, path+"."+f.Name); err != nil {
			return err
		}
	}
	if !travels {
		return refuse("none of its fields is exported, and it has no MarshalBinary")
	}
	return nil
}

// skipped reports whether CBOR leaves the field out.
func skipped(f reflect.StructField) bool {
	tag := f.Tag.Get("cbor")
	if tag == "" {
		tag = f.Tag.Get("json")
	}
	if tag == "-" {
		return true
	}
	if f.Anonymous {
		e := f.Type
		if e.Kind() == reflect.Pointer {
			e = e.Elem()
		}
		// The exported fields of an embedded struct count, whatever its name.
		return !f.IsExported() && e.Kind() != reflect.Struct
	}
	return !f.IsExported()
}

// The pairs of methods by which a type writes and reads itself.
var pairs = []struct {
	write, read reflect.Type
	name        string // of write
}{
	{reflect.TypeFor[cbor.Marshaler](), reflect.TypeFor[cbor.Unmarshaler](), "MarshalCBOR"},
	{reflect.TypeFor[encoding.BinaryMarshaler](), reflect.TypeFor[encoding.BinaryUnmarshaler](), "MarshalBinary"},
	{reflect.TypeFor[encoding.TextMarshaler](), reflect.TypeFor[encoding.TextUnmarshaler](), "MarshalText"},
}

// marshals reports whether values of type t write and read themselves.
func marshals(t reflect.Type) bool {
	if t.Kind() == reflect.Interface || t.Kind() == reflect.Pointer {
		return false // what is behind it counts
	}
	p := reflect.PointerTo(t)
	for _, m := range pairs {
		if p.Implements(m.write) {
			return p.Implements(m.read)
		}
	}
	return false
}

// marshalsOnly returns the method by which values of type t write themselves, if they
// cannot read themselves.
func marshalsOnly(t reflect.Type) string {
	if t.Kind() == reflect.Interface || t.Kind() == reflect.Pointer {
		return ""
	}
	p := reflect.PointerTo(t)
	for _, m := range pairs {
		if p.Implements(m.write) {
			if !p.Implements(m.read) {
				return m.name
			}
			return ""
		}
	}
	return ""
}

// isDeeper reports whether v, whose type is recursive, is nested deeper than so many
// levels.
func isDeeper(v reflect.Value, levels int) bool {
	if levels == 0 {
		return true
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		return !v.IsNil() && isDeeper(v.Elem(), levels-1)
	case reflect.Slice, reflect.Array:
		if isFixed(v.Type().Elem()) || v.Type().Elem().Kind() == reflect.String {
			return false
		}
		for i := range v.Len() {
			if isDeeper(v.Index(i), levels-1) {
				return true
			}
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			if isDeeper(it.Key(), levels-1) || isDeeper(it.Value(), levels-1) {
				return true
			}
		}
	case reflect.Struct:
		if marshals(v.Type()) {
			return false
		}
		for i := range v.NumField() {
			if !skipped(v.Type().Field(i)) && isDeeper(v.Field(i), levels-1) {
				return true
			}
		}
	}
	return false
}
