package input_test

import (
	"context"
	"reflect"
	"strings"
	"testing"

	"github.com/go-braid/braid/internal/input"
)

// An item is made of so many inputs, wherever they come from, and the last one of what is
// left. What cannot be read is no part of any.
func TestGroup(t *testing.T) {
	cfg := input.Config{
		Args: []string{"a b", "c"}, Files: []string{"missing", input.Stdin}, Stdin: strings.NewReader("d\n\ne\nf"),
		Group: 3,
	}
	items, errs := collect(t, cfg)
	mustSay(t, errs, "missing: ")
	var got [][]string
	for _, it := range items {
		got = append(got, it.Group())
	}
	if want := [][]string{{"a b", "c", "d"}, {"", "e", "f"}}; !reflect.DeepEqual(got, want) {
		t.Errorf("the groups are %q, want %q", got, want)
	}
	if it := items[0]; it.Text != "a b c d" || it.Source != "arguments" || it.Line != 1 {
		t.Errorf("the first one is %q of %s:%d", it.Text, it.Source, it.Line)
	}

	cfg.Files, cfg.Args = nil, []string{"1", "2", "3", "4"}
	items, _ = collect(t, cfg)
	if len(items) != 2 {
		t.Fatalf("%d items", len(items))
	}
	rest := items[1]
	if text, err := rest.Column(1); err != nil || text != "4" || len(rest.Group()) != 1 {
		t.Errorf("the rest is %q; its first input is %q, %v", rest.Group(), text, err)
	}
	if text, err := items[0].Column(-1); err != nil || text != "3" {
		t.Errorf("the last input is %q, %v", text, err)
	}
	if text, err := items[0].JSON(); err != nil || string(text) != `["1","2","3"]` {
		t.Errorf("as JSON it is %s, %v", text, err)
	}
	if _, err := rest.Column(2); err == nil || err.Error() != "there is no input 2: the group has 1" {
		t.Errorf("Column(2) = %v", err)
	}
}

// Of a group that is not full when the reading is ended, nobody hears.
func TestGroupEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	for range input.Items(ctx, input.Config{Args: []string{"1", "2", "3", "4", "5"}, Group: 2}) {
		n++
		cancel()
	}
	if n != 1 {
		t.Errorf("%d groups, want 1", n)
	}
	for range input.Items(t.Context(), input.Config{Args: []string{"1", "2", "3"}, Files: []string{"missing"}, Group: 2}) {
		break
	}
}

func TestGroupFormats(t *testing.T) {
	for _, f := range []input.Format{input.Lines, input.NUL, input.CSV, input.NDJSON} {
		err := input.Config{Format: f, Group: 2}.Validate()
		if plain := f == input.Lines || f == input.NUL; (err == nil) != plain {
			t.Errorf("%v: %v", f, err)
		}
	}
	if it := (input.Item{Text: "a,b", Fields: []string{"a", "b"}, Format: input.CSV}); it.Group() != nil {
		t.Errorf("a record of CSV is the group %q", it.Group())
	}
}
