package policy

import (
	"flag"
	"fmt"
	"go/importer"
	"go/token"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write api/braid.txt anew")

// publicAPI describes all public packages, as they are for linux/amd64.
func publicAPI(t *testing.T) []string {
	rooms := slices.Sorted(maps.Keys(repository(t).public()))
	args := []string{"-export", "-deps"}
	for _, room := range rooms {
		args = append(args, importPath(room))
	}
	exports := make(map[string]string)
	for _, p := range list(t, "linux", args...) {
		exports[p.ImportPath] = p.Export
	}
	imp := importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) {
		file, ok := exports[path]
		if !ok {
			return nil, fmt.Errorf("go list shows no export data of %s", path)
		}
		return os.Open(file)
	})
	var lines []string
	for _, room := range rooms {
		pkg, err := imp.Import(importPath(room))
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, describe(room, pkg)...)
	}
	slices.Sort(lines)
	return lines
}

// compare lists the lines that only one of two sorted texts has, marked with -
// if it is the first and with + if it is the second.
func compare(before, after []string) []string {
	var changes []string
	for len(before) > 0 || len(after) > 0 {
		switch {
		case len(after) == 0 || len(before) > 0 && before[0] < after[0]:
			changes = append(changes, "-"+before[0])
			before = before[1:]
		case len(before) == 0 || after[0] < before[0]:
			changes = append(changes, "+"+after[0])
			after = after[1:]
		default:
			before, after = before[1:], after[1:]
		}
	}
	return changes
}

// TestAPI compares what the public packages export with api/braid.txt, so that
// the promise to users never changes unseen.
func TestAPI(t *testing.T) {
	golden := filepath.Join(root, "api", "braid.txt")
	now := publicAPI(t)
	if *update {
		if err := os.WriteFile(golden, []byte(strings.Join(now, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	text, err := os.ReadFile(golden)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	before := slices.Sorted(strings.Lines(string(text)))
	for i := range before {
		before[i] = strings.TrimRight(before[i], "\r\n")
	}
	if changes := compare(before, now); len(changes) > 0 {
		t.Errorf("the public API differs from api/braid.txt:\n%s\n"+
			"If this is meant, renew the file with: make api (or: go test ./internal/policy -run '^TestAPI$' -update)\n"+
			"and say in CHANGELOG.md what users have to know.", strings.Join(changes, "\n"))
	}
}

func TestCompare(t *testing.T) {
	for _, c := range []struct{ before, after, want string }{
		{"", "", ""},
		{"a b c", "a b c", ""},
		{"", "a b", "+a +b"},
		{"a b", "", "-a -b"},
		{"a c d", "a b d e", "+b -c +e"},
	} {
		got := strings.Join(compare(strings.Fields(c.before), strings.Fields(c.after)), " ")
		if got != c.want {
			t.Errorf("compare(%q, %q) = %q, want %q", c.before, c.after, got, c.want)
		}
	}
}
