package input_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/go-braid/braid/internal/input"
)

func ndjson(t *testing.T, in string) ([]input.Item, []string) {
	t.Helper()
	return collect(t, input.Config{Files: []string{"-"}, Stdin: strings.NewReader(in), Format: input.NDJSON})
}

func TestNDJSON(t *testing.T) {
	in := "\xef\xbb\xbf" + `{"name":"a b\n\u00e9","n":1.50,"big":12345678901234567890,"ok":true,"none":null,"o":{ "x" : [1, 2] },"l":[ ]}` + "\r\n" +
		" \t\r\n\n" +
		`["x", 1e3, {"y": "z"}]` + "\n" +
		`  "text"` + "\n" +
		"42\n{}\n[]\nnull"
	items, errs := ndjson(t, in)
	mustSay(t, errs)
	want := []input.Item{
		{
			Fields: []string{"a b\né", "1.50", "12345678901234567890", "true", "null", `{"x":[1,2]}`, "[]"},
			Names:  []string{"name", "n", "big", "ok", "none", "o", "l"},
			Line:   1,
		},
		{Fields: []string{"x", "1e3", `{"y":"z"}`}, Line: 4},
		{Fields: []string{"text"}, Line: 5},
		{Fields: []string{"42"}, Line: 6},
		{Fields: []string{}, Names: []string{}, Line: 7},
		{Fields: []string{}, Line: 8},
		{Fields: []string{"null"}, Line: 9},
	}
	lines := strings.Split(strings.TrimPrefix(in, "\xef\xbb\xbf"), "\n")
	for i := range want {
		want[i].Text = strings.TrimSuffix(lines[want[i].Line-1], "\r")
		want[i].Format, want[i].Source = input.NDJSON, "stdin"
	}
	if !reflect.DeepEqual(items, want) {
		t.Errorf("got\n%+v\nwant\n%+v", items, want)
	}
}

func TestNDJSONErrors(t *testing.T) {
	items, errs := ndjson(t, "1\n{\"a\":}\n2\n1 2\n{\n\"\xff\"\n3\n")
	mustSay(t, errs,
		"stdin:2: not valid JSON at byte 6: invalid character '}'",
		"stdin:4: not valid JSON at byte 3: invalid character '2'",
		"stdin:5: not valid JSON at byte 1: unexpected end of JSON input; each record must be one complete JSON value on one line; jq -c . FILE writes such lines",
		"stdin:6: not valid JSON: the text is not UTF-8; convert it first",
	)
	if got, want := texts(items), []string{"1", "2", "3"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q: the good records must come through", got, want)
	}
}

func TestNDJSONArguments(t *testing.T) {
	items, errs := collect(t, input.Config{Args: []string{`{"a":1}`, "", "{\n\"a\":\n2}"}, Format: input.NDJSON})
	mustSay(t, errs, "arguments:2: not valid JSON")
	for i, want := range []string{"1", "2"} {
		if got, err := items[i].Key("a"); err != nil || got != want {
			t.Errorf("Key of item %d = %q, %v, want %q", i, got, err, want)
		}
	}
}

func FuzzNDJSON(f *testing.F) {
	for _, s := range []string{`{"a":1,"a":2}`, `[1,"x",null]`, `"\ud800"`, ` {} `, `{"":{"":[]}}`, "1e999", `{"a":1}x`, ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		items, errs := collect(t, input.Config{Args: []string{text}, Format: input.NDJSON})
		var object map[string]json.RawMessage
		valid := json.Valid([]byte(text))
		if len(items)+len(errs) != 1 || !valid && len(items) == 1 {
			t.Fatalf("%q (valid: %v) gives %v, %q", text, valid, items, errs)
		}
		if len(items) == 0 {
			return
		}
		it := items[0]
		if len(it.Names) != 0 && len(it.Names) != len(it.Fields) {
			t.Fatalf("%q: %d names for %d fields", text, len(it.Names), len(it.Fields))
		}
		if json.Unmarshal([]byte(text), &object) != nil {
			return
		}
		// The twin: what a map remembers of the object.
		for name, raw := range object {
			got, err := it.Key(name)
			if err != nil {
				if !strings.Contains(err.Error(), "is not unique") {
					t.Errorf("%q: Key(%q): %v", text, name, err)
				}
				continue
			}
			var want string
			if json.Unmarshal(raw, &want) == nil && raw[0] == '"' {
				if got != want {
					t.Errorf("%q: Key(%q) = %q, want %q", text, name, got, want)
				}
				continue
			}
			var a, b any
			errA, errB := json.Unmarshal([]byte(got), &a), json.Unmarshal(raw, &b)
			if (errA == nil) != (errB == nil) || !reflect.DeepEqual(a, b) {
				t.Errorf("%q: Key(%q) = %q, want the value of %q", text, name, got, raw)
			}
		}
	})
}
