package cli

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
)

func digits(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:4])
}

func TestFolderName(t *testing.T) {
	long := strings.Repeat("x", 300)
	for _, tt := range []struct {
		seq  int
		text string
		want string
	}{
		{1, "a.txt", "000001-a.txt"},
		{2, "src/a b.go", "000002-src%2Fa%20b.go"},
		{3, "", "000003-"},
		{4, "..", "000004-.%2E"},
		{5, "größe=1,2+@", "000005-größe=1,2+@"},
		{6, "%2F", "000006-%252F"},
		{7, "a\x00\n\xff", "000007-a%00%0A%FF"},
		{8, `C:\x*?"<>|~`, "000008-C%3A%5Cx%2A%3F%22%3C%3E%7C%7E"},
		{1234567, "x.", "1234567-x%2E"},
		{9, long, "000009-" + long[:longestName-7] + "~" + digits(long)},
		{10, strings.Repeat("ö", 300), "000010-" + strings.Repeat("ö", 56) + "~" + digits(strings.Repeat("ö", 300))},
	} {
		got := folderName(tt.seq, tt.text)
		if got != tt.want {
			t.Errorf("folder of %d, %q: %q, want %q", tt.seq, tt.text, got, tt.want)
		}
		if filepath.Base(got) != got || len(got) > longestName+9 {
			t.Errorf("%q is no name of a folder", got)
		}
	}
}

// Whatever pieces a text comes in, each line has its tag, and the last one its end.
func TestTagged(t *testing.T) {
	for text, want := range map[string]string{
		"":            "",
		"a":           "t\ta\n",
		"a\n":         "t\ta\n",
		"a\nb":        "t\ta\nt\tb\n",
		"\n\nx\n":     "t\t\nt\t\nt\tx\n",
		"a\r\nb\n\nc": "t\ta\r\nt\tb\nt\t\nt\tc\n",
	} {
		var plain, buffered bytes.Buffer
		n, err := tagged{"t\t", strings.NewReader(text)}.WriteTo(&plain)
		if err != nil || n != int64(len(text)) || plain.String() != want {
			t.Errorf("%q is %q, %d, %v; want %q", text, plain.String(), n, err, want)
		}
		out := bufio.NewWriter(&buffered)
		lines := &lineWriter{out: out, tag: "t\t"}
		if _, err := bufio.NewReader(iotest.OneByteReader(strings.NewReader(text))).WriteTo(lines); err != nil {
			t.Error(err)
		}
		out.Flush()
		if got := strings.TrimSuffix(want, "\n"); strings.TrimSuffix(buffered.String(), "\n") != got {
			t.Errorf("%q, byte by byte, is %q", text, buffered.String())
		}
	}
}
