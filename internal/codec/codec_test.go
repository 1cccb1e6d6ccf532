package codec

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/big"
	"net/netip"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/go-braid/braid/engine"
)

// trip writes v behind what is already in a payload, and reads it from memory that
// begins at an odd address as well as from an even one, owned and not.
func trip[T any](t *testing.T, v T, equal func(a, b T) bool) {
	t.Helper()
	c, err := For(reflect.TypeFor[T]())
	if err != nil {
		t.Errorf("For(%T): %v", v, err)
		return
	}
	for _, header := range []int{0, 1, 7} {
		small, bulk, files, err := Append(c, bytes.Repeat([]byte{0xAA}, header), &v)
		if err != nil {
			t.Errorf("Append of a %T: %v", v, err)
			return
		}
		if len(files) != 0 {
			t.Errorf("Append of a %T has %d files", v, len(files))
		}
		if !bytes.Equal(small[:header], bytes.Repeat([]byte{0xAA}, header)) {
			t.Errorf("Append of a %T has overwritten what was there", v)
		}
		for _, owned := range []bool{false, true} {
			for shift := range 2 {
				data := clone(append(make([]byte, shift), slices.Concat(small[header:], bulk)...))[shift:]
				var got T
				if err := Decode(c, data, owned, nil, &got); err != nil {
					t.Errorf("Decode of a %T (owned %v): %v", v, owned, err)
					continue
				}
				if !owned {
					clear(data) // the value must not be in it
				}
				if !equal(got, v) {
					t.Errorf("a %T arrived as %s, want %s (owned %v, shifted %d)", v, brief(got), brief(v), owned, shift)
				}
			}
		}
	}
}

func brief(v any) string {
	s := fmt.Sprintf("%#v", v)
	return s[:min(len(s), 200)]
}

func same[T any](t *testing.T, values ...T) {
	t.Helper()
	for _, v := range values {
		trip(t, v, func(a, b T) bool { return reflect.DeepEqual(a, b) })
	}
}

type (
	celsius float64
	label   string
	labels  []label
	flags   []bool
	empty   struct{}
	point   struct{ X, Y int32 }
	tree    struct {
		Name     string
		Children []*tree
	}
	list struct {
		N    int
		Next *list
	}
	forest map[string]forest
	nest   []nest
	Base   struct{ ID int }
	hidden struct{ Shown int }
	whole  struct {
		Base
		hidden
		Name   string   `json:"name"`
		Tagged int      `cbor:"t,omitempty"`
		Not    func()   `json:"-"`
		Nor    chan int `cbor:"-"`
		inner  int
		P      *point
		PP     **point
		M      map[string][]point
		Keys   map[point]int
		Nums   map[int]string
		A      [3]int16
		B      []byte
		D      time.Duration
		Addr   netip.Addr
		Hosts  map[netip.Addr]int
		Big    *big.Int
		T      time.Time
	}
)

func TestNumbersTravel(t *testing.T) {
	same(t, false, true)
	same[int8](t, 0, -128, 127)
	same[int16](t, math.MinInt16, math.MaxInt16)
	same[int32](t, math.MinInt32, math.MaxInt32)
	same[int64](t, math.MinInt64, math.MaxInt64)
	same(t, math.MinInt, 0, math.MaxInt)
	same[uint8](t, 0, 255)
	same[uint16](t, math.MaxUint16)
	same[uint32](t, math.MaxUint32)
	same[uint64](t, math.MaxUint64)
	same[uint](t, math.MaxUint)
	same[float32](t, 1.5, float32(math.Inf(-1)))
	same(t, 1.5, math.Inf(1), math.Copysign(0, -1), math.SmallestNonzeroFloat64)
	same[complex64](t, 1+2i)
	same(t, 1+2i)
	same[celsius](t, -273.15)
	same(t, time.Duration(math.MaxInt64))
	trip(t, math.NaN(), func(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) })
}

func TestStringsTravel(t *testing.T) {
	same(t, "", "x", "\xff\x00 not UTF-8", strings.Repeat("ä", bulkSize))
	same[label](t, "", "named")
	same(t, labels{"a", ""}, nil, labels{})
	same(t, []string{"\xff"}, []string{}, nil)
}

func TestSlicesTravel(t *testing.T) {
	for _, n := range []int{1, 7, bulkSize / 8, bulkSize/8 + 1, bulkSize + 1} {
		same(t, make([]byte, n), bytes.Repeat([]byte{7}, n))
		same(t, slices.Repeat([]float64{1.25}, n))
		same(t, slices.Repeat([]int16{-2}, n))
		same(t, slices.Repeat([]complex128{3i}, n))
		same(t, flags(slices.Repeat([]bool{true, false}, n)))
	}
	same(t, []byte(nil), []byte{})
	same(t, []float64(nil), []float64{})
	same(t, flags(nil), flags{})
	same(t, []celsius{1, 2}, nil)
	same(t, [][]byte{nil, {}, {1}}, nil, [][]byte{})
	same(t, []point{{1, 2}}, nil, []point{})
	same(t, [4]int{1, 2, 3, 4})
	same(t, [0]int{})
}

func TestStructsTravel(t *testing.T) {
	same(t, empty{}, struct{}{})
	same(t, point{1, -2})
	p := &point{3, 4}
	same(t, whole{}, whole{
		Base: Base{1}, hidden: hidden{2}, Name: "n", Tagged: 3, P: p, PP: &p,
		M: map[string][]point{"a": {{1, 2}}, "b": nil}, Keys: map[point]int{{1, 2}: 3},
		Nums: map[int]string{-1: "x"}, A: [3]int16{1, 2, 3}, B: []byte{1}, D: time.Hour,
		Addr: netip.MustParseAddr("fe80::1%eth0"), Hosts: map[netip.Addr]int{netip.MustParseAddr("10.0.0.1"): 1},
		Big: new(big.Int).Lsh(big.NewInt(-3), 200), T: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC),
	})
	// What is not exported, or is excluded, stays.
	c, err := For(reflect.TypeFor[whole]())
	if err != nil {
		t.Fatal(err)
	}
	v, got := whole{inner: 1, Not: func() {}, Nor: make(chan int)}, whole{}
	small, bulk, _, err := Append(c, nil, &v)
	if err != nil {
		t.Fatal(err)
	}
	if err := Decode(c, append(small, bulk...), true, nil, &got); err != nil || got.inner != 0 || got.Not != nil || got.Nor != nil {
		t.Errorf("Decode = %+v, %v; want the zero value", got, err)
	}
}

func TestPointersAndMapsTravel(t *testing.T) {
	n, p := 5, &point{1, 2}
	pn := &n
	same(t, (*int)(nil), &n)
	same(t, &pn)
	same(t, []**point{&p, nil})
	same(t, map[string]int(nil), map[string]int{}, map[string]int{"a": 1})
	same(t, map[[2]int8]bool{{1, 2}: true})
	same(t, map[string]*point{"a": p, "none": nil})
}

func TestStandardTypesTravel(t *testing.T) {
	zone := time.FixedZone("", 3600)
	for _, v := range []time.Time{{}, time.Unix(1, 999999999), time.Date(9999, 1, 1, 0, 0, 0, 0, zone)} {
		trip(t, v, time.Time.Equal)
		trip(t, []time.Time{v}, func(a, b []time.Time) bool { return len(a) == 1 && a[0].Equal(b[0]) })
	}
	for _, text := range []string{"0", "-1", "18446744073709551616", "-99999999999999999999999999"} {
		n, _ := new(big.Int).SetString(text, 10)
		trip(t, *n, func(a, b big.Int) bool { return a.Cmp(&b) == 0 })
		trip(t, n, func(a, b *big.Int) bool { return a.Cmp(b) == 0 })
	}
	same(t, netip.Addr{}, netip.MustParseAddr("::1"))
	same(t, netip.MustParsePrefix("10.0.0.0/8"))
	same(t, []time.Duration{1, -1})
}

func TestAnyTravels(t *testing.T) {
	same[any](t, nil, true, "x", int64(-1), int64(math.MaxInt64), 1.5, []byte{1}, []any{int64(1), nil},
		map[string]any{"a": []any{"b"}}, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	same(t, []any{nil, "x", int64(3)}, nil)
	same(t, map[string]any{"a": map[string]any{}})
	var v any = point{1, 2} // nobody knows the type there
	trip(t, v, func(a, _ any) bool { return reflect.DeepEqual(a, map[string]any{"X": int64(1), "Y": int64(2)}) })
}

func TestAnyRefusesWhatIsInIt(t *testing.T) {
	c, err := For(reflect.TypeFor[any]())
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []any{make(chan int), func() {}, []any{make(chan int)}} {
		if _, _, _, err := Append(c, nil, &v); err == nil {
			t.Errorf("Append of an any that holds a %T succeeded", v)
		}
	}
}

func TestRecursiveTypesTravel(t *testing.T) {
	same(t, tree{"root", []*tree{{"a", nil}, {"b", []*tree{{"c", []*tree{}}}}, nil}})
	same(t, forest{"a": {"b": {}, "c": nil}})
	same(t, nest{{}, {{}, nil}})
	var l *list
	for i := range 4000 {
		l = &list{i, l}
	}
	same(t, l)
}

func TestCyclicValues(t *testing.T) {
	l := &list{}
	l.Next = l
	refuseCycle(t, l)
	root := tree{Name: "root"}
	root.Children = []*tree{{}, &root}
	refuseCycle(t, root)
	m := forest{}
	m["self"] = m
	refuseCycle(t, m)
	n := nest{nil}
	n[0] = n
	refuseCycle(t, n)
	s := []any{nil}
	s[0] = s
	refuseCycle[any](t, s)
	refuseCycle(t, map[string]any{"l": l})
	type pointer *pointer
	var p pointer
	p = &p
	refuseCycle(t, p)
}

func refuseCycle[T any](t *testing.T, v T) {
	t.Helper()
	c, err := For(reflect.TypeFor[T]())
	if err != nil {
		t.Fatal(err)
	}
	if _, _, _, err = Append(c, nil, &v); err == nil || !strings.Contains(err.Error(), "contains itself") {
		t.Errorf("Append of a %T that contains itself = %v", v, err)
	}
}

// Large slices and strings are not copied, and an owned payload is kept.
func TestBulkIsNotCopied(t *testing.T) {
	v := make([]float64, bulkSize/8)
	c, _ := For(reflect.TypeFor[[]float64]())
	for header := range 9 {
		small, bulk, _, err := Append(c, make([]byte, header), &v)
		if err != nil || unsafe.Pointer(unsafe.SliceData(bulk)) != unsafe.Pointer(unsafe.SliceData(v)) {
			t.Fatalf("Append has copied the elements (%v)", err)
		}
		if len(small)%alignment != 0 {
			t.Errorf("the elements begin at %d behind a header of %d bytes", len(small), header)
		}
	}
	small, bulk, _, _ := Append(c, nil, &v)
	data := clone(append(small, bulk...))
	var got []float64
	if err := Decode(c, data, true, nil, &got); err != nil {
		t.Fatal(err)
	}
	if unsafe.Pointer(unsafe.SliceData(got)) != unsafe.Pointer(&data[len(small)]) {
		t.Error("Decode has copied the elements of an owned payload")
	}

	text := strings.Repeat("x", bulkSize)
	c, _ = For(reflect.TypeFor[string]())
	_, bulk, _, _ = Append(c, nil, &text)
	if len(bulk) != bulkSize || unsafe.SliceData(bulk) != unsafe.StringData(text) {
		t.Error("Append has copied a large string")
	}
}

func TestMalformedPayloads(t *testing.T) {
	refuse(t, int32(0), "", "123", "12345")
	refuse(t, false, "\x02")
	refuse(t, empty{}, "x")
	refuse(t, []byte(nil), "", "\x00x", "\x09abc")
	refuse(t, []float64(nil), "\x01abc")
	refuse(t, flags(nil), "\x01\x00\x02")
	refuse(t, point{}, "", "\xff", "\xa1", "\xa1aX\xf6\xf6", "\xa1aZ\x01", "\x63abc")
	refuse(t, []point(nil), "\x9b\x7f\xff\xff\xff\xff\xff\xff\xff", "\x9a\x7f\xff\xff\xff")
	refuse(t, any(nil), "\x1c", strings.Repeat("\x81", 70_000)+"\x00")
}

func refuse[T any](t *testing.T, v T, payloads ...string) {
	t.Helper()
	c, err := For(reflect.TypeFor[T]())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range payloads {
		if err := Decode(c, []byte(p), false, nil, &v); err == nil {
			t.Errorf("Decode of %.20q as a %v succeeded", p, reflect.TypeFor[T]())
		}
	}
}

// faulty panics where it is told to.
type faulty struct{ where string }

func (f faulty) MarshalBinary() ([]byte, error) {
	switch f.where {
	case "write":
		panic("no pen")
	case "error":
		return nil, errors.New("no ink")
	case "leave":
		runtime.Goexit()
	}
	return []byte(f.where), nil
}

func (f *faulty) UnmarshalBinary(b []byte) error {
	switch f.where = string(b); f.where {
	case "read":
		panic("no glasses")
	case "leave later":
		runtime.Goexit()
	}
	return nil
}

func TestMarshalersThatPanic(t *testing.T) {
	trip(t, faulty{"fine"}, func(a, b faulty) bool { return a == b })
	trip(t, []faulty{{"fine"}}, slices.Equal)
	c, err := For(reflect.TypeFor[faulty]())
	if err != nil {
		t.Fatal(err)
	}
	for where, want := range map[string]string{"write": "no pen", "error": "no ink"} {
		buf := []byte("kept")
		small, _, _, err := Append(c, buf, &faulty{where})
		if err == nil || !strings.Contains(err.Error(), want) || string(small) != "kept" {
			t.Errorf("Append = %q, %v; want an error with %q", small, err, want)
		}
	}
	small, _, _, err := Append(c, nil, &faulty{"read"})
	if err != nil {
		t.Fatal(err)
	}
	if err := Decode(c, small, true, nil, new(faulty)); err == nil || !strings.Contains(err.Error(), "no glasses") {
		t.Errorf("Decode = %v, want the panic", err)
	}
}

// A method that ends its goroutine does not end that of who writes or reads the value,
// wherever in it the method is.
func TestMarshalersThatLeave(t *testing.T) {
	leaves(t, func(where string) faulty { return faulty{where} })
	leaves(t, func(where string) []map[string]faulty { return []map[string]faulty{{"a": {where}}} })
	leaves(t, func(where string) struct{ F *faulty } { return struct{ F *faulty }{&faulty{where}} })
	c, err := For(reflect.TypeFor[any]())
	if err != nil {
		t.Fatal(err)
	}
	var v any = faulty{"leave"}
	if _, _, _, err := Append(c, nil, &v); !errors.Is(err, engine.ErrGoexit) {
		t.Errorf("Append of an any = %v, want ErrGoexit", err)
	}
}

func leaves[T any](t *testing.T, make func(string) T) {
	t.Helper()
	c, err := For(reflect.TypeFor[T]())
	if err != nil {
		t.Fatal(err)
	}
	v, later := make("leave"), make("leave later")
	if small, _, _, err := Append(c, []byte("kept"), &v); !errors.Is(err, engine.ErrGoexit) || string(small) != "kept" {
		t.Errorf("Append of a %T = %q, %v; want ErrGoexit", v, small, err)
	}
	small, _, _, err := Append(c, nil, &later)
	if err != nil {
		t.Fatal(err)
	}
	if err := Decode(c, small, true, nil, new(T)); !errors.Is(err, engine.ErrGoexit) {
		t.Errorf("Decode of a %T = %v, want ErrGoexit", v, err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0})
	f.Add(append([]byte{1}, make([]byte, 16)...))
	f.Add([]byte("\xa1aX\x01"))
	f.Add([]byte("\x82\x01\xa1aaaa"))
	f.Add(binary.BigEndian.AppendUint32([]byte{0x9a}, 1<<30))
	f.Fuzz(func(t *testing.T, data []byte) {
		again[[]float64](t, data, func(a, b []float64) bool {
			return (a == nil) == (b == nil) && slices.EqualFunc(a, b, func(x, y float64) bool {
				return math.Float64bits(x) == math.Float64bits(y)
			})
		})
		again[string](t, data, func(a, b string) bool { return a == b })
		again[tree](t, data, func(a, b tree) bool { return reflect.DeepEqual(a, b) })
		again[any](t, data, func(any, any) bool { return true }) // NaN, and types that nobody knows
	})
}

// again decodes data; what comes out must survive another trip.
func again[T any](t *testing.T, data []byte, equal func(a, b T) bool) {
	c, err := For(reflect.TypeFor[T]())
	if err != nil {
		t.Fatal(err)
	}
	var v, w T
	if Decode(c, data, false, nil, &v) != nil {
		return
	}
	small, bulk, _, err := Append(c, nil, &v)
	if err != nil {
		t.Fatalf("a %T that was decoded cannot be written: %v", v, err)
	}
	if err := Decode(c, slices.Concat(small, bulk), true, nil, &w); err != nil || !equal(v, w) {
		t.Fatalf("%#v arrived as %#v, %v", v, w, err)
	}
}
