package tasks

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const (
	emptySum = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	abcSum   = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" // FIPS 180-2, B.1
)

func TestSHA256(t *testing.T) {
	for _, c := range []struct {
		data []byte
		want string
	}{
		{nil, emptySum},
		{[]byte("abc"), abcSum},
		// FIPS 180-2, B.3; the file ends in the midst of a piece.
		{bytes.Repeat([]byte("a"), 1_000_000), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
	} {
		path := write(t, "data", c.data)
		got, err := run(t.Context(), SHA256, path)
		if want := (Digest{Path: path, SHA256: c.want, Bytes: int64(len(c.data))}); err != nil || got != want {
			t.Errorf("got %+v, %v; want %+v", got, err, want)
		}
	}
}

func TestDigestString(t *testing.T) {
	for _, c := range []struct{ path, want string }{
		{"a b.txt", abcSum + "  a b.txt"},
		{"a\nb", `\` + abcSum + `  a\nb`},
		{`c\d`, `\` + abcSum + `  c\\d`},
		{"e\rf", `\` + abcSum + `  e\rf`},
		{"\\\n\r", `\` + abcSum + `  \\\n\r`},
	} {
		if got := (Digest{Path: c.path, SHA256: abcSum}).String(); got != c.want {
			t.Errorf("%q: got %q, want %q", c.path, got, c.want)
		}
	}
}

func TestDigestJSON(t *testing.T) {
	got, err := json.Marshal(Digest{Path: "a", SHA256: abcSum, Bytes: 3})
	if want := `{"path":"a","sha256":"` + abcSum + `","bytes":3}`; err != nil || string(got) != want {
		t.Errorf("got %s, %v; want %s", got, err, want)
	}
}

func TestSHA256AsSha256sum(t *testing.T) {
	program := tool(t, "sha256sum")
	dir := t.TempDir()
	for _, name := range []string{"plain", "two words", "a\nb", `c\d`, "e\rf", "it's", "-", "ü", "\xff\xfe", `\`, "*star"} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(name), 0o644); err != nil {
			t.Logf("the file system does not take %q: %v", name, err)
			continue
		}
		want, err := exec.Command(program, "--", path).Output()
		if err != nil {
			t.Fatal(err)
		}
		got, err := run(t.Context(), SHA256, path)
		if err != nil || got.String()+"\n" != string(want) {
			t.Errorf("%q: got %q, %v; sha256sum prints %q", name, got, err, want)
		}
		check := exec.Command(program, "--check", "--strict", "--status")
		check.Stdin = strings.NewReader(got.String() + "\n")
		if err := check.Run(); err != nil {
			t.Errorf("sha256sum --check does not accept %q: %v", got, err)
		}
	}
}
