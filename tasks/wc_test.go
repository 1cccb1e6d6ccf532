package tasks

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
)

func TestWC(t *testing.T) {
	for _, c := range []struct {
		data         string
		lines, words int64
	}{
		{"", 0, 0},
		{"\n", 1, 0},
		{"word", 0, 1},
		{"word\n", 1, 1},
		{"two words", 0, 2},
		{" \t\v\f\r\n two \r\n\r\n words ", 3, 2},
		{"\x00\x01 \x80\xff", 0, 2},
		{"no\u00a0break", 0, 1},
	} {
		path := write(t, "data", []byte(c.data))
		got, err := run(t.Context(), WC, path)
		if want := (Count{path, c.lines, c.words, int64(len(c.data))}); err != nil || got != want {
			t.Errorf("%q: got %+v, %v; want %+v", c.data, got, err, want)
		}
	}
}

// naiveWords counts words by the definition.
func naiveWords(data []byte) int64 {
	return int64(len(bytes.FieldsFunc(latin1(data), func(c rune) bool { return strings.ContainsRune(" \t\n\v\f\r", c) })))
}

// latin1 makes a character of each byte.
func latin1(data []byte) []byte {
	var text []byte
	for _, b := range data {
		text = append(text, string(rune(b))...)
	}
	return text
}

func FuzzTally(f *testing.F) {
	f.Add([]byte(" one two\nthree\n"), 3)
	f.Add([]byte("\x00\xff\v\x80"), 1)
	f.Add([]byte("word"), 2)
	f.Fuzz(func(t *testing.T, data []byte, cut int) {
		if cut < 0 || cut > len(data) {
			cut = len(data)
		}
		got := tally{after: 1}
		_ = got.add(data[:cut])
		_ = got.add(data[cut:])
		if want := int64(strings.Count(string(data), "\n")); got.lines != want {
			t.Errorf("%q: %d lines, want %d", data, got.lines, want)
		}
		if want := naiveWords(data); got.words != want {
			t.Errorf("%q, cut at %d: %d words, want %d", data, cut, got.words, want)
		}
	})
}

// random returns n bytes drawn from an alphabet.
func random(r *rand.Rand, n int, alphabet string) []byte {
	data := make([]byte, n)
	for i := range data {
		data[i] = alphabet[r.IntN(len(alphabet))]
	}
	return data
}

func TestWCAsWc(t *testing.T) {
	program := tool(t, "wc")
	print := func(path string) string {
		cmd := exec.Command(program, "--", path)
		cmd.Env = append(os.Environ(), "LC_ALL=C")
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSuffix(string(out), "\n")
	}
	// Whether this wc takes characters that cannot be printed for words.
	posix := strings.Fields(print(write(t, "data", []byte{1})))[1] == "1"

	var ascii, all strings.Builder
	for b := range 256 {
		all.WriteByte(byte(b))
		if b < 128 {
			ascii.WriteByte(byte(b))
		}
	}
	const seed1, seed2 = 7, 11
	r := rand.New(rand.NewPCG(seed1, seed2))
	files := map[string][]byte{
		"empty": nil,
		"text":  []byte("one two\n\n three"),
	}
	for _, n := range []int{1, 9, 10, 99, 1000, pieceSize - 1, pieceSize, pieceSize + 1, 3*pieceSize + 5} {
		files[fmt.Sprint("sparse ", n)] = random(r, n, "aaaaaaaaaaaaaaaab \n\t")
		files[fmt.Sprint("spaces ", n)] = random(r, n, "ab \n\t\v\f\r")
		files[fmt.Sprint("ascii ", n)] = random(r, n, ascii.String())
		files[fmt.Sprint("binary ", n)] = random(r, n, all.String())
	}
	files["ones"] = bytes.Repeat([]byte("a "), pieceSize)
	for name, data := range files {
		t.Run(name, func(t *testing.T) {
			binary := strings.HasPrefix(name, "ascii") || strings.HasPrefix(name, "binary")
			if !posix && binary {
				// A letter in each word, and both rules agree.
				data = bytes.ReplaceAll(data, []byte{0}, []byte("x"))
				words := bytes.FieldsFunc(latin1(data), func(c rune) bool { return space[byte(c)] == 1 })
				data = append(data, bytes.Join(words, []byte("_ _"))...)
				for i, b := range data {
					if b < ' ' && space[b] == 0 || b >= 0x7f {
						data[i] = 'a' + b%26
					}
				}
			}
			path := write(t, "data", data)
			got, err := run(t.Context(), WC, path)
			if err != nil || got.String() != print(path) {
				t.Errorf("got %q, %v; wc prints %q", got, err, print(path))
			}
		})
	}
}

func TestCountStringAsWc(t *testing.T) {
	program := tool(t, "wc")
	for _, name := range []string{"plain", "two words", "a\nb", "it's\nso", "\n", "\na\n\nb\n", `c\d`, "ü"} {
		dir := t.TempDir()
		cmd := exec.Command(program, "--", name)
		cmd.Dir = dir
		if err := os.WriteFile(dir+"/"+name, []byte("x y\n"), 0o644); err != nil {
			t.Logf("the file system does not take %q: %v", name, err)
			continue
		}
		want, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		if got := (Count{Path: name, Lines: 1, Words: 2, Bytes: 4}).String() + "\n"; got != string(want) {
			t.Errorf("%q: got %q, wc prints %q", name, got, want)
		}
	}
}

// What a file costs does not depend on its lines.
func TestWCAllocations(t *testing.T) {
	allocs := func(data string) float64 {
		path := write(t, "data", []byte(data))
		return testing.AllocsPerRun(20, func() {
			if _, err := count(t.Context(), path); err != nil {
				t.Fatal(err)
			}
		})
	}
	few, many := allocs("one line\n"), allocs(strings.Repeat("one line\n", 50_000))
	if many > few+3 { // the pool may lose a buffer
		t.Errorf("%v allocations for 1 line, %v for 50,000", few, many)
	}
}

func BenchmarkTally(b *testing.B) {
	data := random(rand.New(rand.NewPCG(1, 2)), pieceSize, "aaaaaaaaab \n\t")
	b.SetBytes(int64(len(data)))
	var t tally
	for b.Loop() {
		_ = t.add(data)
	}
}
