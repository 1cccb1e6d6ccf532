package codec

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"
	"unsafe"
)

type (
	onlyText   struct{ A int }
	onlyBinary struct{ A int }
	onlyCBOR   struct{ A int }
	job        struct {
		Name string
		Done chan int
	}
	plan struct {
		Steps []*job
	}
	outer struct {
		Plans map[string][]plan
	}
	closed struct{ _, _ int }
	loop   struct {
		Next *loop
		F    func()
	}
	Mixed struct {
		C complex128
	}
	promoting  struct{ Mixed }
	pointing   struct{ *closed }
	setsHidden struct{ *hidden }
)

func (onlyText) MarshalText() ([]byte, error)     { return nil, nil }
func (onlyBinary) MarshalBinary() ([]byte, error) { return nil, nil }
func (*onlyBinary) UnmarshalText([]byte) error    { return nil }
func (*onlyCBOR) MarshalCBOR() ([]byte, error)    { return nil, nil }

func TestWhatCannotTravel(t *testing.T) {
	for _, tt := range []struct {
		of     reflect.Type
		path   string
		part   reflect.Type
		reason string
	}{
		{reflect.TypeFor[chan int](), "chan int", reflect.TypeFor[chan int](), "channel"},
		{reflect.TypeFor[func()](), "func()", reflect.TypeFor[func()](), "function"},
		{reflect.TypeFor[uintptr](), "uintptr", reflect.TypeFor[uintptr](), "address"},
		{reflect.TypeFor[unsafe.Pointer](), "Pointer", reflect.TypeFor[unsafe.Pointer](), "address"},
		{reflect.TypeFor[map[string]*os.File](), "map[string]*os.File", reflect.TypeFor[os.File](), "multiprocessing.File"},
		{reflect.TypeFor[[]uintptr](), "[]uintptr", reflect.TypeFor[uintptr](), "address"},
		{reflect.TypeFor[io.Reader](), "Reader", reflect.TypeFor[io.Reader](), "which type implements it"},
		{reflect.TypeFor[error](), "error", reflect.TypeFor[error](), "which type implements it"},
		{reflect.TypeFor[job](), "job.Done", reflect.TypeFor[chan int](), "channel"},
		{reflect.TypeFor[*plan](), "*codec.plan.Steps.Done", reflect.TypeFor[chan int](), "channel"},
		{reflect.TypeFor[outer](), "outer.Plans.Steps.Done", reflect.TypeFor[chan int](), "channel"},
		{reflect.TypeFor[map[job]int](), "map[codec.job]int (key).Done", reflect.TypeFor[chan int](), "channel"},
		{reflect.TypeFor[closed](), "closed", reflect.TypeFor[closed](), "none of its fields is exported"},
		{reflect.TypeFor[struct{ Mu sync.Mutex }](), "struct { Mu sync.Mutex }.Mu", reflect.TypeFor[sync.Mutex](), "none of its fields"},
		{reflect.TypeFor[loop](), "loop.F", reflect.TypeFor[func()](), "function"},
		{reflect.TypeFor[Mixed](), "Mixed.C", reflect.TypeFor[complex128](), "pair of floats"},
		{reflect.TypeFor[promoting](), "promoting.Mixed.C", reflect.TypeFor[complex128](), "pair of floats"},
		{reflect.TypeFor[[][]complex64](), "[][]complex64", reflect.TypeFor[complex64](), "pair of floats"},
		{reflect.TypeFor[onlyText](), "onlyText", reflect.TypeFor[onlyText](), "MarshalText"},
		{reflect.TypeFor[[]onlyBinary](), "[]codec.onlyBinary", reflect.TypeFor[onlyBinary](), "MarshalBinary"},
		{reflect.TypeFor[map[string]onlyCBOR](), "map[string]codec.onlyCBOR", reflect.TypeFor[onlyCBOR](), "MarshalCBOR"},
		{reflect.TypeFor[pointing](), "pointing.closed", reflect.TypeFor[*closed](), "embedded pointer"},
		{reflect.TypeFor[setsHidden](), "setsHidden.hidden", reflect.TypeFor[*hidden](), "embedded pointer"},
	} {
		for range 2 { // the answer is remembered
			c, err := For(tt.of)
			var u *UnsupportedError
			if !errors.As(err, &u) {
				t.Errorf("For(%v) = %v, %v; want an UnsupportedError", tt.of, c, err)
				break
			}
			if u.Path != tt.path || u.Type != tt.part || !strings.Contains(u.Reason, tt.reason) {
				t.Errorf("For(%v) = %q (%v): %s; want %q (%v): … %s …", tt.of, u.Path, u.Type, u.Reason, tt.path, tt.part, tt.reason)
			}
			if want := fmt.Sprintf("%s (%v) cannot travel to another process: ", tt.path, tt.part); !strings.HasPrefix(err.Error(), want) {
				t.Errorf("For(%v) = %q, want it to begin with %q", tt.of, err, want)
			}
		}
	}
}

// A tag that is empty is none: the one for JSON counts.
func TestFieldTags(t *testing.T) {
	type tagged struct {
		N int
		F func() `cbor:"" json:"-"`
	}
	same(t, tagged{N: 1})
	type named struct {
		Dash chan int `cbor:"-,"` // a field of the name "-"
	}
	var u *UnsupportedError
	if _, err := For(reflect.TypeFor[named]()); !errors.As(err, &u) || u.Path != "named.Dash" {
		t.Errorf("For = %v, want named.Dash refused", err)
	}
}

var _ = pointing{closed: nil} // the codec alone looks at the field
