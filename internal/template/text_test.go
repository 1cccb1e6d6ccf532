package template_test

import (
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/go-braid/braid/internal/input"
	"github.com/go-braid/braid/internal/template"
)

func TestText(t *testing.T) {
	plain := input.Item{Text: "d.d/it's x.tar.gz"}
	for _, tt := range []struct {
		text   string
		opts   template.Options
		item   input.Item
		want   string
		filled bool
	}{
		{"", template.Options{}, plain, "", false},
		{"fixed {print}", template.Options{}, plain, "fixed {print}", false},
		{"{//}", template.Options{}, plain, "d.d", true},
		{"out/{/.} {#}-{%}", template.Options{Shell: true}, plain, "out/it's x.tar 7-3", true}, // nothing is quoted
		{"{file//}", full, row, "d.d", true},
		{"{{}}", template.Options{}, plain, "{}", false},
	} {
		text, err := template.ParseText(tt.text, tt.opts)
		if err != nil {
			t.Errorf("%q: %v", tt.text, err)
			continue
		}
		got, err := text.Expand(tt.item, 7, 3)
		if got != tt.want || err != nil || text.Filled() != tt.filled {
			t.Errorf("%q is %q, %v, filled %t; want %q, filled %t", tt.text, got, err, text.Filled(), tt.want, tt.filled)
		}
	}
	if _, err := template.ParseText("{2}", template.Options{}); err == nil || !strings.Contains(err.Error(), "plain inputs have 1 column") {
		t.Errorf("a column of plain inputs: %v", err)
	}
	text, err := template.ParseText("{none}", full)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := text.Expand(row, 1, 1); err == nil || !strings.Contains(err.Error(), `there is no key "none"`) {
		t.Errorf("a missing key: %v", err)
	}
}

// Where the input comes by another way it is not appended.
func TestFilled(t *testing.T) {
	got, err := expand(t, []string{"make", "all"}, template.Options{Filled: true}, input.Item{Text: "x"})
	if err != nil || !slices.Equal(got, []string{"make", "all"}) {
		t.Errorf("expanded to %q, %v", got, err)
	}
	got, err = expand(t, []string{"make all; make install"}, template.Options{Filled: true, Shell: true}, input.Item{Text: "x"})
	if runtime.GOOS != "windows" && (err != nil || !slices.Equal(got, []string{"/bin/sh", "-c", "make all; make install"})) {
		t.Errorf("expanded to %q, %v", got, err)
	}
	got, err = expand(t, []string{"make", "{/}"}, template.Options{Filled: true}, input.Item{Text: "x"})
	if err != nil || !slices.Equal(got, []string{"make", "x"}) {
		t.Errorf("expanded to %q, %v", got, err)
	}
}
