package input_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/bmatcuk/doublestar/v4"
	"pgregory.net/rapid"

	"github.com/go-braid/braid/internal/input"
)

// tree makes the current directory a new one with the given files.
func tree(t *testing.T, files ...string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for _, name := range files {
		write(t, name, "")
	}
}

func link(t *testing.T, to, name string) {
	t.Helper()
	if err := os.Symlink(to, name); err != nil {
		if runtime.GOOS == "windows" {
			t.Skipf("making symbolic links needs a privilege here: %v", err)
		}
		t.Fatal(err)
	}
}

func globbed(t *testing.T, pattern string) []string {
	t.Helper()
	items, errs := collect(t, input.Config{Globs: []string{pattern}, Format: input.NDJSON})
	mustSay(t, errs)
	for i, it := range items {
		if it.Source != pattern || it.Line != i+1 || it.Format != input.Lines {
			t.Errorf("%q: match %d is %+v", pattern, i, it)
		}
		items[i].Text = filepath.ToSlash(it.Text)
	}
	return texts(items)
}

func TestGlob(t *testing.T) {
	tree(t,
		"a.go", "b.go", "b.txt", ".hidden.go", "-n",
		"dir/a.go", "dir/sub/deep/c.go", "dir/sub/d.go", "dir-x/e.go",
		".git/x.go", "dir/.cache/y.go", "sp ace/[x]*.go",
	)
	if err := os.Mkdir("empty.go", 0o755); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		pattern string
		want    []string
	}{
		{"*.go", []string{"a.go", "b.go"}}, // neither hidden files nor directories
		{"**/*.go", []string{"a.go", "b.go", "dir/a.go", "dir/sub/d.go", "dir/sub/deep/c.go", "dir-x/e.go", "sp ace/[x]*.go"}},
		{"dir/**", []string{"dir/a.go", "dir/sub/d.go", "dir/sub/deep/c.go"}},
		{"dir/**/*", []string{"dir/a.go", "dir/sub/d.go", "dir/sub/deep/c.go"}},
		{"**/sub/**/*.go", []string{"dir/sub/d.go", "dir/sub/deep/c.go"}},
		{"**/**/d.go", []string{"dir/sub/d.go"}},
		{"a.go", []string{"a.go"}},
		{"./*.go", []string{"./a.go", "./b.go"}},
		{"./-*", []string{"./-n"}},
		{"dir/../*.txt", []string{"dir/../b.txt"}},
		{"*/../a.go", []string{"dir/../a.go", "dir-x/../a.go", "empty.go/../a.go", "sp ace/../a.go"}},
		{"dir//a.go", []string{"dir/a.go"}},
		{"{b,a}.{txt,go}", []string{"a.go", "b.go", "b.txt"}}, // one walk, in order, no doubles
		{"{*,b*}.txt", []string{"b.txt"}},
		{"{dir,dir/sub}/**/d.go", []string{"dir/sub/d.go"}},
		{"[ab].go", []string{"a.go", "b.go"}},
		{"[!a].go", []string{"b.go"}},
		{"?.txt", []string{"b.txt"}},
		{".*", []string{".hidden.go"}},
		{"{,.}*.go", []string{".hidden.go", "a.go", "b.go"}},
		{".git/*", []string{".git/x.go"}},
		{"**/.cache/*", []string{"dir/.cache/y.go"}},
	}
	if filepath.Separator == '/' {
		tests = append(tests, struct {
			pattern string
			want    []string
		}{`sp ace/\[x\]\**`, []string{"sp ace/[x]*.go"}})
	}
	for _, tt := range tests {
		got := globbed(t, tt.pattern)
		// Within a directory the order is that of the names; dir is before dir-x
		// although "dir-x/" sorts before "dir/".
		if !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%q matches\n%q, want\n%q", tt.pattern, got, tt.want)
		}
	}
}

func TestGlobAbsolute(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "x", "a.txt"), "")
	pattern := filepath.ToSlash(dir) + "/**/*.txt"
	items, errs := collect(t, input.Config{Globs: []string{pattern}})
	mustSay(t, errs)
	if got, want := texts(items), []string{filepath.Join(dir, "x", "a.txt")}; !reflect.DeepEqual(got, want) {
		t.Errorf("%q matches %q, want %q", pattern, got, want)
	}
}

func TestGlobWithoutMatch(t *testing.T) {
	tree(t, "a.txt", "dir/x")
	for _, pattern := range []string{"*.go", "missing/**", "a.txt/x", "a.txt/*", "dir", "**/*.none"} {
		items, errs := collect(t, input.Config{Globs: []string{pattern, "a*"}})
		mustSay(t, errs, pattern+": the pattern matches no file; only regular files match")
		if got := texts(items); !reflect.DeepEqual(got, []string{"a.txt"}) {
			t.Errorf("after %q: got %q, want the matches of the next pattern", pattern, got)
		}
	}
	_, errs := collect(t, input.Config{Globs: []string{"~/x*"}})
	mustSay(t, errs, `write "$HOME" for ~`)
}

func TestGlobLinks(t *testing.T) {
	tree(t, "real/a.txt", "real/sub/b.txt")
	link(t, "real", "dirlink")
	link(t, "a.txt", "real/filelink.txt")
	link(t, "..", "real/sub/up")  // a loop
	link(t, "loop", "loop")       // a link to itself
	link(t, "nowhere", "b.txt")   // a broken one
	link(t, "real/a.txt/x", "in") // through a file
	tests := []struct {
		pattern string
		want    []string
	}{
		{"**", []string{"real/a.txt", "real/filelink.txt", "real/sub/b.txt"}},
		{"dirlink/*", []string{"dirlink/a.txt", "dirlink/filelink.txt"}},
		{"*/a.txt", []string{"dirlink/a.txt", "real/a.txt"}},
		{"dirlink/**/b.txt", []string{"dirlink/sub/b.txt"}},
		{"real/sub/up/sub/up/*.txt", []string{"real/sub/up/sub/up/a.txt", "real/sub/up/sub/up/filelink.txt"}},
	}
	for _, tt := range tests {
		if got := globbed(t, tt.pattern); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%q matches %q, want %q", tt.pattern, got, tt.want)
		}
	}
	for _, pattern := range []string{"loop", "loop/*", "b.txt", "in"} {
		_, errs := collect(t, input.Config{Globs: []string{pattern}})
		mustSay(t, errs, "the pattern matches no file")
	}
}

func TestGlobIsStreamed(t *testing.T) {
	tree(t, "a/1", "b/1", "c/1")
	var got []string
	for it, err := range input.Items(t.Context(), input.Config{Globs: []string{"{a,b,c}/*"}}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, filepath.ToSlash(it.Text))
		if len(got) == 1 {
			// A walk that had read on already would not notice.
			if err := os.RemoveAll("b"); err != nil {
				t.Fatal(err)
			}
			write(t, "c/2", "")
		}
	}
	if want := []string{"a/1", "c/1", "c/2"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// The twin: look at all files there are, and match each path as a whole.
func TestGlobAgainstDoublestar(t *testing.T) {
	names := []string{"a", "b", "ab", "a.go", "b.go", "c.txt"}
	last := []string{"a", "b", "*", "?", "a*", "*.go", "[ab]", "[!a]", "{a,b}", "{a*,*.go}", "{a/b,*}"}
	// At the end, doublestar lets ** match nothing, so that a/** matches a file a.
	others := append([]string{"**", "{**,b}"}, last...)
	root := t.TempDir()
	t.Chdir(root)
	rapid.Check(t, func(rt *rapid.T) {
		for _, e := range must(os.ReadDir(root)) {
			os.RemoveAll(filepath.Join(root, e.Name()))
		}
		for _, path := range rapid.SliceOfN(rapid.SliceOfN(rapid.SampledFrom(names), 1, 4), 1, 8).Draw(rt, "files") {
			name := filepath.Join(path...)
			if os.MkdirAll(filepath.Dir(name), 0o755) == nil { // else a file is in the way
				os.WriteFile(name, nil, 0o644)
			}
		}
		segments := rapid.SliceOfN(rapid.SampledFrom(others), 0, 3).Draw(rt, "segments")
		pattern := strings.Join(append(segments, rapid.SampledFrom(last).Draw(rt, "last")), "/")

		var got []string
		for it, err := range input.Items(t.Context(), input.Config{Globs: []string{pattern}}) {
			if err == nil {
				got = append(got, filepath.ToSlash(it.Text))
			}
		}
		var want []string
		fs.WalkDir(os.DirFS("."), ".", func(path string, d fs.DirEntry, err error) error {
			if ok, err := doublestar.Match(pattern, path); err != nil {
				rt.Fatal(err)
			} else if ok && d.Type().IsRegular() {
				want = append(want, path)
			}
			return nil
		})
		if !reflect.DeepEqual(got, want) {
			rt.Fatalf("%q matches %q, want %q", pattern, got, want)
		}
	})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
