package input_test

import (
	"encoding/csv"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/go-braid/braid/internal/input"
)

func TestCSV(t *testing.T) {
	in := "\xef\xbb\xbfid, name ,note\r\n" +
		"1,Ann,plain\r\n" +
		"\r\n\n" +
		"2,\"Smith, \"\"Bo\"\"\",\"two\r\nlines\"\r\n" +
		"3,,"
	items, errs := collect(t, input.Config{Files: []string{"-"}, Stdin: strings.NewReader(in), Format: input.CSV})
	mustSay(t, errs)
	names := []string{"id", "name", "note"}
	want := []input.Item{
		{Text: "1,Ann,plain", Fields: []string{"1", "Ann", "plain"}, Line: 2},
		{Text: "2,\"Smith, \"\"Bo\"\"\",\"two\r\nlines\"", Fields: []string{"2", `Smith, "Bo"`, "two\nlines"}, Line: 5},
		{Text: "3,,", Fields: []string{"3", "", ""}, Line: 7},
	}
	for i := range want {
		want[i].Names, want[i].Format, want[i].Source = names, input.CSV, "stdin"
	}
	if !reflect.DeepEqual(items, want) {
		t.Errorf("got\n%+v\nwant\n%+v", items, want)
	}
}

func TestCSVNoHeader(t *testing.T) {
	items, errs := collect(t, input.Config{
		Files: []string{"-"}, Stdin: strings.NewReader("a;b\nc\n"),
		Format: input.CSV, NoHeader: true, Comma: ';',
	})
	mustSay(t, errs)
	if len(items) != 2 || !reflect.DeepEqual(items[0].Fields, []string{"a", "b"}) || !reflect.DeepEqual(items[1].Fields, []string{"c"}) {
		t.Fatalf("got %+v", items)
	}
	if items[0].Names != nil {
		t.Errorf("columns without a header have names %q", items[0].Names)
	}
}

func TestCSVWithoutRecords(t *testing.T) {
	for _, in := range []string{"", "\n\n", "a,b\n", "a,b"} {
		items, errs := collect(t, input.Config{Files: []string{"-"}, Stdin: strings.NewReader(in), Format: input.CSV})
		if len(items)+len(errs) != 0 {
			t.Errorf("%q gives %v, %q, want nothing", in, items, errs)
		}
	}
}

func TestCSVErrors(t *testing.T) {
	in := "id,name\n" +
		"1,a\n" +
		"2,b\"c\n" + // a quote in an unquoted column
		"3\n" + // too few
		"4,d,e\n" + // too many
		"5,\"f\"g\n" + // text after a closing quote
		"6,h\n" +
		"7,\"open\n8,i\n" // never closed
	items, errs := collect(t, input.Config{Files: []string{"-"}, Stdin: strings.NewReader(in), Format: input.CSV})
	mustSay(t, errs,
		"stdin:3: not valid CSV: a quote inside an unquoted column (line 3, column 4)",
		"stdin:4: the record's column count 1 differs from the header's 2",
		"stdin:5: the record's column count 3 differs from the header's 2",
		"stdin:6: not valid CSV: a quoted column does not end well (line 6, column",
		"stdin:8: not valid CSV: a quoted column does not end well",
	)
	for _, e := range errs {
		if !strings.Contains(e, "; ") {
			t.Errorf("%q does not say what to do", e)
		}
	}
	if got, want := texts(items), []string{"1,a", "6,h"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q: the good records must come through, as written", got, want)
	}
}

func TestCSVBadHeader(t *testing.T) {
	items, errs := collect(t, input.Config{
		Files: []string{"-"}, Stdin: strings.NewReader("a\"b\n1\n"), Format: input.CSV,
	})
	mustSay(t, errs, "stdin:1: in the header: not valid CSV")
	if len(items) != 0 {
		t.Errorf("got %q: without a header no record has a meaning", texts(items))
	}
}

func TestCSVArguments(t *testing.T) {
	items, errs := collect(t, input.Config{
		Args:   []string{`1,"a,b"`, "", "x\ny", `"`, "\"two\nlines\""},
		Format: input.CSV,
	})
	mustSay(t, errs, "arguments:3: the argument holds more than one CSV record; give each", "arguments:4: not valid CSV")
	var fields [][]string
	for _, it := range items {
		fields = append(fields, it.Fields)
		if it.Names != nil || it.Format != input.CSV {
			t.Errorf("item %+v: an argument is no header and has none", it)
		}
	}
	if want := [][]string{{"1", "a,b"}, {""}, {"two\nlines"}}; !reflect.DeepEqual(fields, want) {
		t.Errorf("got %q, want %q", fields, want)
	}
}

// The records are those of encoding/csv, and the text of each, parsed alone as a
// line, is the record again.
func FuzzCSV(f *testing.F) {
	for _, s := range []string{"", "a,b\n1,2\n", "\n\r\n\"x\r\n\"\r\n", "a\"\nb", "\"a", "\"\n\",\r\n\r\r\n", "a,b\n\n\n\"c\n\nd\",e", ",", "\r", "\"\"\n", "0\r"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		if in != "" && strings.IndexByte("\xef\xff\xfe", in[0]) >= 0 {
			return // byte order marks have a test
		}
		var want [][]string
		bad := 0
		for r := newCSV(in); ; {
			fields, err := r.Read()
			if err == io.EOF {
				break
			}
			if err != nil {
				bad++
				continue
			}
			want = append(want, fields)
		}
		items, errs := collect(t, input.Config{
			Files: []string{"-"}, Stdin: iotest.OneByteReader(strings.NewReader(in)),
			Format: input.CSV, NoHeader: true,
		})
		if len(errs) != bad {
			t.Fatalf("%q: %d errors %q, want %d", in, len(errs), errs, bad)
		}
		var got [][]string
		for _, it := range items {
			got = append(got, it.Fields)
			if again, err := newCSV(it.Text + "\r\n").Read(); err != nil || !reflect.DeepEqual(again, it.Fields) {
				t.Errorf("%q: the text %q parses as %q, %v, the record was %q", in, it.Text, again, err, it.Fields)
			}
			if !strings.Contains(in, it.Text) {
				t.Errorf("%q: the text %q is not as it was written", in, it.Text)
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	})
}

func newCSV(s string) *csv.Reader {
	r := csv.NewReader(strings.NewReader(s))
	r.FieldsPerRecord = -1
	return r
}
