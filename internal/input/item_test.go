package input_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/go-braid/braid/internal/input"
)

var (
	plain  = input.Item{Text: "a b"}
	row    = input.Item{Text: "1,2,3", Fields: []string{"1", "2", "3"}, Format: input.CSV}
	named  = input.Item{Text: "1,2,3", Fields: []string{"1", "2", "3"}, Names: []string{"x", "y z", "x"}, Format: input.CSV}
	object = input.Item{Text: `{"x":1}`, Fields: []string{"1"}, Names: []string{"x"}, Format: input.NDJSON}
	array  = input.Item{Text: `[1,"b"]`, Fields: []string{"1", "b"}, Format: input.NDJSON}
	none   = input.Item{Text: `{}`, Fields: []string{}, Names: []string{}, Format: input.NDJSON}
)

func TestColumn(t *testing.T) {
	tests := []struct {
		item input.Item
		n    int
		want string // or the error
	}{
		{plain, 1, "a b"},
		{plain, -1, "a b"},
		{plain, 2, "there is no column 2: the input is a plain record with 1 column"},
		{row, 1, "1"},
		{row, 3, "3"},
		{row, -1, "3"},
		{row, -3, "1"},
		{row, 4, "there is no column 4: the record has 3"},
		{row, -4, "there is no column -4: the record has 3"},
		{row, 0, "there is no column 0: the record has 3"},
		{named, 2, "2"},
		{array, 2, "b"},
		{object, 1, `there is no column 1: the input is a JSON object, whose values have names: "x"`},
		{none, 1, "there is no column 1: the input is a JSON object"},
	}
	for _, tt := range tests {
		got, err := tt.item.Column(tt.n)
		if err != nil {
			got = err.Error()
		}
		if got != tt.want && (err == nil || !strings.HasPrefix(got, tt.want)) {
			t.Errorf("Column(%d) of %q = %q, want %q", tt.n, tt.item.Text, got, tt.want)
		}
	}
}

func TestKey(t *testing.T) {
	tests := []struct {
		item       input.Item
		name, want string
	}{
		{object, "x", "1"},
		{named, "y z", "2"},
		{named, "x", `the key "x" is not unique: it names columns 1 and 3`},
		{named, "X", `there is no key "X": the input has "x", "y z", "x"`},
		{row, "x", `there is no key "x": the input has no keys`},
		{plain, "x", `there is no key "x": the input has no keys`},
		{none, "", `there is no key "": the input has no keys`},
	}
	for _, tt := range tests {
		got, err := tt.item.Key(tt.name)
		if err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("Key(%q) of %q = %q, want %q", tt.name, tt.item.Text, got, tt.want)
		}
	}

	var many input.Item
	for i := range 1000 {
		many.Names = append(many.Names, fmt.Sprint("k", i))
		many.Fields = append(many.Fields, "v")
	}
	if _, err := many.Key("x"); err == nil || !strings.HasSuffix(err.Error(), `"k9" and 990 more`) {
		t.Errorf("the error of a record with 1000 keys is %q", err)
	}
}

func TestItemJSON(t *testing.T) {
	two := input.Item{Text: "<,é", Fields: []string{"<", "é"}, Names: []string{"a", `b"`}, Format: input.CSV}
	tests := []struct {
		item input.Item
		want string
	}{
		{plain, `"a b"`},
		{input.Item{Text: ""}, `""`},
		{row, `["1","2","3"]`},
		{two, `{"a":"\u003c","b\"":"é"}`},
		{object, `{"x":1}`},
		{array, `[1,"b"]`},
		{input.Item{Text: "\xff"}, "not valid UTF-8"},
		{input.Item{Text: "\xff", Fields: []string{"\xff"}, Format: input.CSV}, "not valid UTF-8"},
		{named, `two columns are named "x"`},
	}
	for _, tt := range tests {
		got, err := tt.item.JSON()
		if err != nil {
			if got != nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("JSON of %q = %s, %v, want %s", tt.item.Text, got, err, tt.want)
			}
			continue
		}
		if string(got) != tt.want {
			t.Errorf("JSON of %q = %s, want %s", tt.item.Text, got, tt.want)
		}
	}
}
