package cli

import (
	"encoding/json"
	"errors"
	"math/big"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-braid/braid/internal/input"
)

func line(text string) input.Item { return input.Item{Text: text} }

func TestConvertText(t *testing.T) {
	type name string
	for _, c := range []struct {
		text string
		want any
	}{
		{"as it is", "as it is"},
		{"", ""},
		{"{not json", "{not json"},
		{"named", name("named")},
		{"bytes", []byte("bytes")},
		{"true", true},
		{"0", false},
		{"-12", -12},
		{"0x10", uint8(16)},
		{"127", int8(127)},
		{"1.5", 1.5},
		{"1e3", float32(1000)},
		{"250ms", 250 * time.Millisecond},
		{"2", 2 * time.Second},
		{"0.5", 500 * time.Millisecond},
		{"-1.5", -1500 * time.Millisecond},
		{"192.0.2.1", netip.MustParseAddr("192.0.2.1")}, // a TextUnmarshaler
		{"123456789012345678901234567890", *bigInt("123456789012345678901234567890")},
		{"2024-05-06T07:08:09Z", time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)},
		// What has no plain text is read as JSON.
		{"[1,2]", []int{1, 2}},
		{`{"a":1}`, map[string]int{"a": 1}},
		{"null", (*int)(nil)},
		{`{"name":"Ada","age":3}`, person{Name: "Ada", Age: 3}},
		{"Ada", person{Name: "Ada"}},
		{"  Ada", person{Name: "  Ada"}},
		{"Ada", &person{Name: "Ada"}},
	} {
		conv, err := newConverter(reflect.TypeOf(c.want), nil)
		if err != nil {
			t.Errorf("%T: %v", c.want, err)
			continue
		}
		got, err := conv.convert(line(c.text))
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q: got %#v, %v; want %#v", c.text, got, err, c.want)
		}
	}
}

func bigInt(s string) *big.Int {
	n, _ := new(big.Int).SetString(s, 10)
	return n
}

// An argument of type any takes text as a string, and JSON records as JSON.
func TestConvertAny(t *testing.T) {
	conv, err := newConverter(reflect.TypeFor[any](), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := conv.convert(line("12")); got != "12" || err != nil {
		t.Errorf("got %#v, %v; want a string", got, err)
	}
	got, err := conv.convert(input.Item{Text: `{"a":[1]}`, Format: input.NDJSON, Names: []string{"a"}, Fields: []string{"[1]"}})
	if want := map[string]any{"a": []any{1.0}}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %#v, %v; want %#v", got, err, want)
	}
}

func TestConvertErrors(t *testing.T) {
	for _, c := range []struct {
		text string
		like any
		says string
	}{
		{"x", 0, `"x": it is not a whole number that fits int`},
		{"300", uint8(0), "it is not a whole number from 0 that fits uint8"},
		{"-1", uint(0), "from 0"},
		{"128", int8(0), "that fits int8"},
		{"1.5", 0, "whole number"},
		{"many", 0.0, "it is not a number that fits float64"},
		{"1e300", float32(0), "fits float32"},
		{"perhaps", false, "it is not true or false"},
		{"soon", time.Duration(0), "it is not a duration: write it as"},
		{"inf", time.Duration(0), "it is not a duration"},
		{"1e30", time.Duration(0), "it is not a duration"},
		{"192.0.2", netip.Addr{}, `"192.0.2"`},
		{"1,2", []int(nil), `"1,2": the task's argument is of type []int: give it as JSON`},
		{"[1,\"a\"]", []int(nil), "does not fit the task's argument of type []int"},
		{`{"age":"x"}`, person{}, "does not fit the task's argument"},
	} {
		conv, err := newConverter(reflect.TypeOf(c.like), nil)
		if err != nil {
			t.Errorf("%T: %v", c.like, err)
			continue
		}
		if got, err := conv.convert(line(c.text)); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q as %T: got %#v, %v; want an error that says %q", c.text, c.like, got, err, c.says)
		}
	}
}

func TestConvertRecords(t *testing.T) {
	csv := input.Item{Text: "Ada,London", Format: input.CSV, Names: []string{"name", "city"}, Fields: []string{"Ada", "London"}}
	list := input.Item{Text: "Ada,London", Format: input.CSV, Fields: []string{"Ada", "London"}}
	for _, c := range []struct {
		it   input.Item
		want any
	}{
		{csv, person{Name: "Ada", City: "London"}},
		{csv, map[string]string{"name": "Ada", "city": "London"}},
		{list, []string{"Ada", "London"}},
		{input.Item{Text: "7", Format: input.NDJSON}, 7},
		{input.Item{Text: `"7"`, Format: input.NDJSON}, "7"},
	} {
		conv, err := newConverter(reflect.TypeOf(c.want), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := conv.convert(c.it); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q as %T: got %#v, %v; want %#v", c.it.Text, c.want, got, err, c.want)
		}
	}
}

func TestSet(t *testing.T) {
	type options struct {
		Path   string        `json:"path"`
		Wait   time.Duration `json:"wait"`
		Level  *int          `json:"level,omitempty"`
		Tags   []string      `json:"tags"`
		Plain  bool
		hidden int
		Never  int `json:"-"`
	}
	level := 9
	for _, c := range []struct {
		set  []string
		text string
		want options
	}{
		{nil, "x", options{Path: "x"}},
		{[]string{"wait=2s"}, "x", options{Path: "x", Wait: 2 * time.Second}},
		{[]string{"Plain=true", `tags=["a","b"]`}, "x", options{Path: "x", Plain: true, Tags: []string{"a", "b"}}},
		{[]string{"level=9"}, "x", options{Path: "x", Level: &level}},
		{[]string{"level=1", "level=9"}, "x", options{Path: "x", Level: &level}},
		// It wins over the record.
		{[]string{"path=a=b"}, `{"path":"x"}`, options{Path: "a=b"}},
	} {
		conv, err := newConverter(reflect.TypeFor[options](), c.set)
		if err != nil {
			t.Errorf("%q: %v", c.set, err)
			continue
		}
		got, err := conv.convert(line(c.text))
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q: got %+v, %v; want %+v", c.set, got, err, c.want)
		}
	}
	for _, c := range []struct{ set, says string }{
		{"wait", `--set "wait": it is NAME=VALUE`},
		{"=1", "it is NAME=VALUE"},
		{"pth=x", `has no such field (did you mean "path"?): it has path, wait, level, tags, Plain`},
		{"hidden=1", "has no such field"},
		{"Never=1", "has no such field"},
		{"wait=soon", `--set wait: "soon": it is not a duration`},
		{"tags=a", `--set tags: "a": the field is of type []string: give it as JSON`},
	} {
		if _, err := newConverter(reflect.TypeFor[options](), []string{c.set}); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("--set %s: error %v, want it to say %q", c.set, err, c.says)
		}
	}
	if _, err := newConverter(reflect.TypeFor[string](), []string{"a=b"}); err == nil || !strings.Contains(err.Error(), "is of type string and has no fields") {
		t.Errorf("--set for a string: error %v", err)
	}
	_ = options{}.hidden
}

// Whatever text comes, converting gives a value of the type or an error, and the
// text of a value gives the value again.
func FuzzConvert(f *testing.F) {
	for _, s := range []string{"", "1", "-0x7f", "1.5", "250ms", "true", "{", `{"name":"Ada","age":3}`, "[1]", "null", "NaN", "1e400", "\x00", "\xff", `"`, " 12", "0b1", "1_000"} {
		f.Add(s)
	}
	types := []reflect.Type{
		reflect.TypeFor[string](), reflect.TypeFor[[]byte](), reflect.TypeFor[int64](), reflect.TypeFor[uint8](),
		reflect.TypeFor[float64](), reflect.TypeFor[bool](), reflect.TypeFor[time.Duration](), reflect.TypeFor[person](),
		reflect.TypeFor[*person](), reflect.TypeFor[[]int](), reflect.TypeFor[map[string]any](), reflect.TypeFor[netip.Addr](),
		reflect.TypeFor[any](),
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, typ := range types {
			for _, set := range [][]string{nil, {"city=Paris"}} {
				if set != nil && typ != reflect.TypeFor[person]() {
					continue
				}
				conv, err := newConverter(typ, set)
				if err != nil {
					t.Fatal(err)
				}
				got, err := conv.convert(line(text))
				if err != nil {
					if err.Error() == "" {
						t.Errorf("%v: an error without a text", typ)
					}
					continue
				}
				if typ.Kind() != reflect.Interface && reflect.TypeOf(got) != typ {
					t.Fatalf("%v: got a %T", typ, got)
				}
				switch v := got.(type) {
				case string:
					if v != text {
						t.Errorf("string: got %q of %q", v, text)
					}
				case []byte:
					if string(v) != text {
						t.Errorf("bytes: got %q of %q", v, text)
					}
				case time.Duration:
					if again, err := conv.convert(line(v.String())); err != nil || again != v {
						t.Errorf("duration %v: got %v, %v", v, again, err)
					}
				case person:
					if set != nil && v.City != "Paris" {
						t.Errorf("--set city=Paris was lost: %+v", v)
					}
				case int64:
					var n json.Number
					if err := json.Unmarshal([]byte(text), &n); err == nil {
						if m, err := n.Int64(); err != nil || m != v {
							t.Errorf("int64 of %q: got %d, JSON says %d, %v", text, v, m, err)
						}
					}
				}
			}
		}
	})
}

func TestParseDurationError(t *testing.T) {
	_, err := parseDuration("1 s")
	if err == nil || errors.Unwrap(err) != nil || !strings.Contains(err.Error(), `"250ms"`) {
		t.Errorf("error %v, want one that shows how durations are written", err)
	}
}
