package webtest

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

// budget is what the page may weigh, compressed: it is in every binary.
const budget = 60 << 10

// TestSize holds the page to three files and its budget, and to what the server's policy
// lets it do.
func TestSize(t *testing.T) {
	entries, err := os.ReadDir(string(dist))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	total := 0
	for _, e := range entries {
		names = append(names, e.Name())
		text, err := os.ReadFile(filepath.Join(string(dist), e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		var packed bytes.Buffer
		z, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression)
		z.Write(text)
		z.Close()
		t.Logf("%s: %d bytes, %d compressed", e.Name(), len(text), packed.Len())
		total += packed.Len()

		// Nothing from elsewhere; no code from text; names of namespaces are not addresses.
		foreign := regexp.MustCompile(`(?:src|href|fetch\(|url\(|import\()\s*=?\s*["'(]?(?:https?:)?//|\beval\(|new Function\(`)
		if m := foreign.Find(text); m != nil {
			t.Errorf("%s has %q, which the policy forbids", e.Name(), m)
		}
	}
	if want := []string{"app.css", "app.js", "index.html"}; !slices.Equal(names, want) {
		t.Errorf("the page is %q, and should be %q", names, want)
	}
	if total > budget {
		t.Errorf("the page takes %d bytes compressed; at most %d", total, budget)
	}
	t.Logf("in all %d of %d", total, budget)
}
