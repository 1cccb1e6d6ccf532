package input_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"go.uber.org/goleak"

	"github.com/go-braid/braid/internal/input"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// collect runs the iteration to its end.
func collect(t *testing.T, cfg input.Config) (items []input.Item, errs []string) {
	t.Helper()
	for it, err := range input.Items(t.Context(), cfg) {
		if err == nil {
			items = append(items, it)
			continue
		}
		errs = append(errs, err.Error())
		if e, ok := errors.AsType[*input.Error](err); ok && (e.Source != it.Source || e.Line != it.Line) {
			t.Errorf("error of %s:%d comes with an item of %s:%d", e.Source, e.Line, it.Source, it.Line)
		}
	}
	return items, errs
}

func texts(items []input.Item) []string {
	out := []string{}
	for _, it := range items {
		out = append(out, it.Text)
	}
	return out
}

// mustSay checks that there is one error for each of the wanted parts, in order.
func mustSay(t *testing.T, errs []string, want ...string) {
	t.Helper()
	if len(errs) != len(want) {
		t.Fatalf("got %d errors %q, want %d", len(errs), errs, len(want))
	}
	for i, part := range want {
		if !strings.Contains(errs[i], part) {
			t.Errorf("error %q does not say %q", errs[i], part)
		}
	}
}

func TestLines(t *testing.T) {
	tests := []struct {
		name, in string
		want     []string
	}{
		{"empty", "", []string{}},
		{"one", "a\n", []string{"a"}},
		{"last line without an end", "a\nb", []string{"a", "b"}},
		{"empty lines are inputs", "\na\n\n", []string{"", "a", ""}},
		{"DOS ends", "a\r\nb\r\n", []string{"a", "b"}},
		{"carriage returns elsewhere are text", "a\rb\r\r\nc\r", []string{"a\rb\r", "c\r"}},
		{"spaces and tabs are text", " a\t\n", []string{" a\t"}},
		{"byte order mark", "\xef\xbb\xbfa\n\xef\xbb\xbfb\n", []string{"a", "\xef\xbb\xbfb"}},
		{"byte order mark alone", "\xef\xbb\xbf", []string{}},
		{"beginning of a byte order mark", "\xef\xbb", []string{"\xef\xbb"}},
		{"other bytes than UTF-8", "\xe9t\xe9\n\xff\n", []string{"\xe9t\xe9", "\xff"}},
		{"longer than the buffer", strings.Repeat("x", 1<<17) + "\r\ny", []string{strings.Repeat("x", 1<<17), "y"}},
		{"as long as the buffer", strings.Repeat("x", 1<<16-1) + "\n" + strings.Repeat("y", 1<<16), []string{strings.Repeat("x", 1<<16-1), strings.Repeat("y", 1<<16)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			items, errs := collect(t, input.Config{Files: []string{"-"}, Stdin: strings.NewReader(tt.in)})
			mustSay(t, errs)
			if got := texts(items); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %.100q, want %.100q", got, tt.want)
			}
			for i, it := range items {
				if it.Source != "stdin" || it.Line != i+1 || it.Fields != nil || it.Names != nil || it.Format != input.Lines {
					t.Errorf("item %d is %+v", i, it)
				}
			}
		})
	}
}

func TestNUL(t *testing.T) {
	in := "a\nb\x00\x00\xef\xbb\xbfc\r\x00last\n"
	items, errs := collect(t, input.Config{Files: []string{"-"}, Stdin: strings.NewReader(in), Format: input.NUL})
	mustSay(t, errs)
	if got, want := texts(items), []string{"a\nb", "", "\xef\xbb\xbfc\r", "last\n"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if items[3].Line != 4 {
		t.Errorf("the last record is number %d, want 4", items[3].Line)
	}

	items, _ = collect(t, input.Config{Files: []string{"-"}, Stdin: strings.NewReader("\xff\xfe\x00"), Format: input.NUL})
	if got := texts(items); !reflect.DeepEqual(got, []string{"\xff\xfe"}) {
		t.Errorf("NUL-terminated records are not text and have no byte order mark: got %q", got)
	}
}

func TestSkipEmpty(t *testing.T) {
	cfg := input.Config{Args: []string{"", "a"}, Files: []string{"-"}, Stdin: strings.NewReader("\nb\r\n\r\n \n"), SkipEmpty: true}
	items, errs := collect(t, cfg)
	mustSay(t, errs)
	if got, want := texts(items), []string{"a", "b", " "}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if items[1].Line != 2 {
		t.Errorf("line of %q is %d, want 2: dropped lines count", items[1].Text, items[1].Line)
	}
}

func TestUTF16(t *testing.T) {
	for _, format := range []input.Format{input.Lines, input.CSV, input.NDJSON} {
		for _, in := range []string{"\xff\xfea\x00\n\x00", "\xfe\xff\x00a\x00\n"} {
			items, errs := collect(t, input.Config{Files: []string{"-"}, Stdin: strings.NewReader(in), Format: format})
			mustSay(t, errs, "stdin: the text is UTF-16, not UTF-8; convert it first: iconv")
			if len(items) != 0 {
				t.Errorf("%v: got %q", format, texts(items))
			}
		}
	}
}

func TestOrderAndSources(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "b.txt", "b1\nb2\n")
	write(t, "a.txt", "a1")
	items, errs := collect(t, input.Config{
		Args:  []string{"x", "", "x"},
		Globs: []string{"*.txt", "b*"},
		Files: []string{"b.txt", "-", "missing", "a.txt"},
		Stdin: strings.NewReader("s\n"),
	})
	mustSay(t, errs, "missing: ")
	var got []string
	for _, it := range items {
		got = append(got, fmt.Sprintf("%s:%d=%s", it.Source, it.Line, it.Text))
	}
	want := []string{
		"arguments:1=x", "arguments:2=", "arguments:3=x",
		"*.txt:1=a.txt", "*.txt:2=b.txt", "b*:1=b.txt",
		"b.txt:1=b1", "b.txt:2=b2", "stdin:1=s", "a.txt:1=a1",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}

func TestNothing(t *testing.T) {
	items, errs := collect(t, input.Config{Stdin: iotest.ErrReader(errors.New("read unasked"))})
	if len(items)+len(errs) != 0 {
		t.Errorf("a config that names no input gives %v, %v", items, errs)
	}
}

func TestSourceErrors(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "good", "g\n")
	if err := os.Mkdir("dir", 0o755); err != nil {
		t.Fatal(err)
	}
	items, errs := collect(t, input.Config{Files: []string{"missing", "dir", "-", "good"}})
	mustSay(t, errs,
		"missing: ",
		"dir: is a directory; name a file, or take the files in it as inputs with a glob such as dir/**",
		"stdin: there is no standard input; pipe something in, or name a file",
	)
	if strings.Count(errs[0], "missing") != 1 || !strings.Contains(errs[0], "; check the name") {
		t.Errorf("the error %q must name the file once and say what to do", errs[0])
	}
	if got := texts(items); !reflect.DeepEqual(got, []string{"g"}) {
		t.Errorf("got %q: a good file after bad ones must be read", got)
	}

	for it, err := range input.Items(t.Context(), input.Config{Files: []string{"missing"}}) {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%v is not fs.ErrNotExist (item %+v)", err, it)
		}
	}
}

func TestReadError(t *testing.T) {
	broken := errors.New("disk on fire")
	tests := []struct {
		format input.Format
		in     string
		want   string
		items  int
	}{
		{input.Lines, "a\nhalf", "stdin:2: disk on fire", 1},
		{input.NUL, "a\x00half", "stdin:2: disk on fire", 1},
		{input.NDJSON, "1\n2", "stdin:2: disk on fire", 1},
		{input.CSV, "h\na\nhalf", "stdin: disk on fire", 1},
		{input.Lines, "", "stdin: disk on fire", 0},
	}
	for _, tt := range tests {
		r := io.MultiReader(strings.NewReader(tt.in), iotest.ErrReader(broken))
		items, errs := collect(t, input.Config{Files: []string{"-"}, Stdin: r, Format: tt.format})
		mustSay(t, errs, tt.want)
		if len(items) != tt.items {
			t.Errorf("%v: got %q, want %d items: the torn record must not become one", tt.format, texts(items), tt.items)
		}
	}
}

func TestValidate(t *testing.T) {
	tests := []struct {
		cfg  input.Config
		want string
	}{
		{input.Config{Globs: []string{"ok", "a[b"}}, `glob "a[b": the pattern is malformed`},
		{input.Config{Globs: []string{"{a"}}, "the pattern is malformed"},
		{input.Config{Globs: []string{"a}"}}, "the pattern is malformed"},
		{input.Config{Globs: []string{""}}, "the pattern is empty"},
		{input.Config{Globs: []string{"a\x00"}}, "NUL byte"},
		{input.Config{Globs: []string{"dir/"}}, `write "dir/**"`},
		{input.Config{Globs: []string{"{a,b/}"}}, `write "b/**"`},
		{input.Config{Globs: []string{"/"}}, `write "/**"`},
		{input.Config{Globs: []string{"x[a/b]"}}, "a class in brackets cannot hold a slash"},
		{input.Config{Globs: []string{strings.Repeat("{a,b}", 10)}}, "more than 1000 alternatives"},
		{input.Config{Globs: []string{strings.Repeat("{a,b}", 1000)}}, "more than 1000 alternatives"},
		{input.Config{Files: []string{"-", "x", "-"}}, `standard input ("-") is named 2 times`},
		{input.Config{Files: []string{""}}, "the name of an input file is empty"},
		{input.Config{Format: 7}, "unknown input format Format(7)"},
		{input.Config{Comma: '"'}, "cannot separate the columns of CSV"},
		{input.Config{Comma: '\n'}, "cannot separate the columns of CSV"},
		{input.Config{Comma: -1}, "cannot separate the columns of CSV"},
	}
	for _, tt := range tests {
		err := tt.cfg.Validate()
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Validate(%+v) = %v, want it to say %s", tt.cfg, err, tt.want)
			continue
		}
		tt.cfg.Args = []string{"a"}
		items, errs := collect(t, tt.cfg)
		if len(items) != 0 || len(errs) != 1 || errs[0] != err.Error() {
			t.Errorf("Items of an invalid config gave %v, %q, want only what Validate says", items, errs)
		}
	}
	good := input.Config{Args: []string{""}, Globs: []string{"**", "a/{b,c/**}/[!x]"}, Files: []string{"-", "./-"}, Format: input.CSV, Comma: '\t'}
	if err := good.Validate(); err != nil {
		t.Errorf("Validate(%+v) = %v", good, err)
	}
}

// A record is yielded when it is complete, not when the next one or the end is.
func TestStreamed(t *testing.T) {
	for format, records := range map[input.Format][]string{
		input.Lines:  {"a\n", "\n", "c\n"},
		input.NUL:    {"a\x00", "\x00", "c\x00"},
		input.NDJSON: {"1\n", "[2]\n", "{}\n"},
		input.CSV:    {"a\n", "\"b\n\"\n", "c\n"},
	} {
		r, w := io.Pipe()
		next := 0
		// The pipe is unbuffered: writing a record before the one before it has
		// been yielded blocks for ever.
		write := make(chan string)
		go func() {
			for s := range write {
				io.WriteString(w, s)
			}
			w.Close()
		}()
		write <- records[0]
		cfg := input.Config{Files: []string{"-"}, Stdin: r, Format: format, NoHeader: true}
		for _, err := range input.Items(t.Context(), cfg) {
			if err != nil {
				t.Fatal(err)
			}
			if next++; next < len(records) {
				write <- records[next]
			} else {
				close(write)
			}
		}
		if next != len(records) {
			t.Errorf("%v: got %d records, want %d", format, next, len(records))
		}
	}
}

type countReader struct {
	r     io.Reader
	reads int
}

func (c *countReader) Read(p []byte) (int, error) {
	c.reads++
	return c.r.Read(p)
}

func TestBreakStopsReading(t *testing.T) {
	for _, format := range []input.Format{input.Lines, input.CSV, input.NDJSON} {
		r := &countReader{r: iotest.OneByteReader(strings.NewReader("1\n2\n3\n4\n"))}
		cfg := input.Config{Files: []string{"-", "missing"}, Stdin: r, Format: format, NoHeader: true}
		n := 0
		for range input.Items(t.Context(), cfg) {
			if n++; n == 2 {
				break
			}
		}
		if r.reads != 4 {
			t.Errorf("%v: two records of two bytes took %d one-byte reads", format, r.reads)
		}
	}
}

func TestContextEndsBetweenItems(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	for _, err := range input.Items(ctx, input.Config{Args: []string{"a", "b", "c"}, Files: []string{"missing"}}) {
		if err != nil {
			t.Error(err)
		}
		if n++; n == 2 {
			cancel()
		}
	}
	if n != 2 {
		t.Errorf("got %d items after the context was cancelled at the second", n)
	}
}

func TestContextEndsBlockedRead(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if err := r.SetReadDeadline(time.Time{}); errors.Is(err, os.ErrNoDeadline) {
		t.Skip("pipes have no deadlines on this system, and Items promises nothing there")
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	io.WriteString(w, "first\n")
	var got []string
	for it, err := range input.Items(ctx, input.Config{Files: []string{"-"}, Stdin: r}) {
		got = append(got, fmt.Sprint(it.Text, err))
		cancel() // the next read has nothing to read
	}
	if want := []string{"first<nil>"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLongRecords(t *testing.T) {
	const mb = 1 << 20
	tests := []struct {
		format      input.Format
		size        int
		start, stop string
	}{
		{input.Lines, 100 * mb, "", "\n"},
		{input.NDJSON, 10 * mb, `{"k":"`, "\"}\n"},
		{input.CSV, 10 * mb, "\"\n", "\",2\n"},
	}
	for _, tt := range tests {
		r := io.MultiReader(
			strings.NewReader(tt.start),
			io.LimitReader(same('x'), int64(tt.size)),
			strings.NewReader(tt.stop+tt.start+tt.stop),
		)
		items, errs := collect(t, input.Config{Files: []string{"-"}, Stdin: r, Format: tt.format, NoHeader: true})
		mustSay(t, errs)
		if len(items) != 2 {
			t.Fatalf("%v: got %d records, want 2", tt.format, len(items))
		}
		if n := strings.Count(items[0].Text, "x"); n != tt.size {
			t.Errorf("%v: a record of %d bytes came with %d", tt.format, tt.size, n)
		}
	}
}

// same reads its byte for ever.
type same byte

func (b same) Read(p []byte) (int, error) {
	return copy(p, bytes.Repeat([]byte{byte(b)}, len(p))), nil
}

func TestPlainLinesAllocateTheirTextOnly(t *testing.T) {
	in := strings.Repeat("some line of text\n", 10_000)
	allocs := testing.AllocsPerRun(1, func() {
		for _, err := range input.Items(context.Background(), input.Config{Files: []string{"-"}, Stdin: strings.NewReader(in)}) {
			if err != nil {
				t.Fatal(err)
			}
		}
	})
	if allocs > 10_100 {
		t.Errorf("10000 lines took %.0f allocations, want one a line", allocs)
	}
}

func FuzzLines(f *testing.F) {
	for _, s := range []string{"", "a", "a\nb\r\n\r\n", "\r\r\n", "\xef\xbb\xbf\n", "\x00\n\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		if strings.HasPrefix(in, "\xff\xfe") || strings.HasPrefix(in, "\xfe\xff") {
			return
		}
		lines := strings.Split(strings.TrimPrefix(in, "\xef\xbb\xbf"), "\n")
		for i := range lines[:len(lines)-1] {
			lines[i] = strings.TrimSuffix(lines[i], "\r")
		}
		if last := len(lines) - 1; lines[last] == "" {
			lines = lines[:last]
		}
		items, errs := collect(t, input.Config{Files: []string{"-"}, Stdin: iotest.HalfReader(strings.NewReader(in))})
		mustSay(t, errs)
		if got := texts(items); !reflect.DeepEqual(got, lines) {
			t.Errorf("lines of %q: got %q, want %q", in, got, lines)
		}
	})
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
