package tasks

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestPlaceOf(t *testing.T) {
	wd := workIn(t, map[string]string{"in/a": "x", "in/dir/b": "x", "beside/c": "x"})
	t.Chdir("in")
	// out of the current folder, from the root
	whole := func(path string) string {
		p := strings.ReplaceAll(filepath.Join(wd, path), ":", "")
		return strings.TrimPrefix(p, string(filepath.Separator)) + ".gz"
	}
	for _, c := range []struct{ path, want string }{
		{"a", "a.gz"},
		{"./a", "a.gz"},
		{"dir//b", "dir/b.gz"},
		{"dir/../a", "a.gz"},
		{"../in/dir/b", "dir/b.gz"},
		{wd + "/in/dir/b", "dir/b.gz"},
		{wd + "/in/../in/a", "a.gz"},
		{"../beside/c", whole("beside/c")},
		{wd + "/beside/c", whole("beside/c")},
		{"../../../../../../../../../../../.." + filepath.ToSlash(strings.TrimPrefix(wd, filepath.VolumeName(wd))) + "/beside/c", whole("beside/c")},
		{"..a", "..a.gz"},
		{"a..", "a...gz"},
	} {
		got, err := placeOf(filepath.FromSlash(c.path))
		if err != nil || got != filepath.FromSlash(c.want) {
			t.Errorf("placeOf(%s) = %s, %v; want %s", c.path, got, err, c.want)
		}
	}
}

// Behind a symbolic link ".." is not the folder that the path suggests.
func TestPlaceOfBehindLink(t *testing.T) {
	wd := workIn(t, map[string]string{"in/a": "mine", "far/off/x": "", "far/a": "another"})
	t.Chdir("in")
	if err := os.Symlink("../far/off", "link"); err != nil {
		t.Skipf("no symbolic links here: %v", err)
	}
	want := strings.TrimPrefix(strings.ReplaceAll(filepath.Join(wd, "far", "a"), ":", ""), string(filepath.Separator)) + ".gz"
	if got, err := placeOf(filepath.FromSlash("link/../a")); err != nil || got != want {
		t.Errorf("got %s, %v; want %s", got, err, want)
	}
	// Where the current folder was reached by a link, as the shell's cd does it,
	// ".." is not what its path suggests either.
	if err := os.Symlink("far/off", filepath.Join(wd, "door")); err != nil {
		t.Fatal(err)
	}
	t.Chdir(filepath.Join(wd, "door"))
	if got, err := placeOf(filepath.FromSlash("../a")); err != nil || got != want {
		t.Errorf("through a link: got %s, %v; want %s", got, err, want)
	}
	if got, err := placeOf(filepath.FromSlash("../off/x")); err != nil || got != "x.gz" {
		t.Errorf("through a link and back: got %s, %v; want x.gz", got, err)
	}
}

func TestPlaceTaken(t *testing.T) {
	wd := workIn(t, map[string]string{"beside/c": "x"})
	inner := filepath.Join(wd, "in")
	place := strings.TrimPrefix(strings.ReplaceAll(filepath.Join(wd, "beside", "c"), ":", ""), string(filepath.Separator))
	if err := os.MkdirAll(filepath.Join(inner, filepath.Dir(place)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(inner, place), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Chdir(inner)
	outside := filepath.Join(wd, "beside", "c")
	_, err := placeOf(outside)
	wantFileError(t, err, outside, errPlaceTaken, "the same file as "+place)
	if got, err := placeOf(place); err != nil || got != place+".gz" {
		t.Errorf("the other file: got %s, %v", got, err)
	}
}

func FuzzPlaceOf(f *testing.F) {
	for _, s := range []string{"a", "/a", "../a", "a/../../b", "//x", "", ".", "..", "/", `C:\x`, `\\host\share\x`, `\\?\C:\x`, "a\x00b", "NUL", "/../.."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, path string) {
		place, err := placeOf(path)
		if err != nil {
			if place != "" {
				t.Errorf("placeOf(%q) = %q and an error", path, place)
			}
			return
		}
		if !filepath.IsLocal(place) || !strings.HasSuffix(place, ".gz") {
			t.Errorf("placeOf(%q) = %q, which is not a local file", path, place)
		}
	})
}

func TestWithoutRoot(t *testing.T) {
	cases := []struct{ path, want string }{{"/var/log/x", "var/log/x"}, {"//x", "x"}}
	if runtime.GOOS == "windows" {
		cases = []struct{ path, want string }{
			{`C:\var\x`, `C\var\x`},
			{`\\host\share\x`, `host\share\x`},
			{`\\?\C:\x`, `C\x`},
		}
	}
	for _, c := range cases {
		if got := withoutRoot(c.path); got != c.want {
			t.Errorf("withoutRoot(%s) = %s, want %s", c.path, got, c.want)
		}
	}
}
