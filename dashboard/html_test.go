package dashboard

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/go-braid/braid/record"
)

func fileOf(t *testing.T, m *Model) string {
	t.Helper()
	var b bytes.Buffer
	if err := m.WriteHTML(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

var scriptElement = regexp.MustCompile(`(?s)<script([^>]*)>(.*?)</script>`)

// inFile returns the snapshot and the details in a file.
func inFile(t *testing.T, page string) (*decoded, map[string]*taskHead) {
	t.Helper()
	var d *decoded
	var details map[string]*taskHead
	for _, e := range scriptElement.FindAllStringSubmatch(page, -1) {
		switch {
		case strings.Contains(e[1], `id="snapshot"`):
			z, err := gzip.NewReader(base64.NewDecoder(base64.StdEncoding, strings.NewReader(e[2])))
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(z)
			if err != nil {
				t.Fatal(err)
			}
			if d, err = decodeSnapshot(b); err != nil {
				t.Fatal(err)
			}
		case strings.Contains(e[1], `id="details"`):
			if err := json.Unmarshal([]byte(e[2]), &details); err != nil {
				t.Fatal(err)
			}
		}
	}
	if d == nil || details == nil {
		t.Fatal("the file has no data")
	}
	return d, details
}

func TestHTML(t *testing.T) {
	s := tell(2000, 31).end()
	m := s.model()
	page := fileOf(t, m)
	d, details := inFile(t, page)
	if err := d.same(func() *decoded {
		o := picture(t, m)
		o.head.Texts, o.head.Strings = d.head.Texts, d.head.Strings
		return o
	}()); err != nil {
		t.Error(err)
	}
	if d.head.Texts != "inline" || !d.head.Sorted || d.head.State != "ended" {
		t.Errorf("texts are %s, it is sorted: %v, %s", d.head.Texts, d.head.Sorted, d.head.State)
	}
	failed := 0
	for i := range m.rows.len() {
		if broken(m.rows.state.at(i)) {
			failed++
		}
	}
	crashes := 0
	for _, h := range details {
		if h.Stderr == "out of luck" {
			crashes++
		}
	}
	if len(details) != failed || crashes != m.stats.crashes {
		t.Errorf("details of %d attempts of %d, %d crashes of %d", len(details), failed, crashes, m.stats.crashes)
	}
	if running := tell(10, 1).model(); true {
		if d, _ := inFile(t, fileOf(t, running)); d.head.State != "stale" {
			t.Errorf("a run that goes on is %s in a file", d.head.State)
		}
	}
}

// The policy in the file allows what is in it, by its hash, and nothing is loaded.
func TestHTMLPolicy(t *testing.T) {
	page := fileOf(t, tell(10, 1).end().model())
	found := regexp.MustCompile(`<meta http-equiv="Content-Security-Policy" content="([^"]*)">`).FindStringSubmatchIndex(page)
	if found == nil {
		t.Fatal("there is no policy")
	}
	rules := page[found[2]:found[3]]
	if strings.Contains(rules, "unsafe") || !strings.HasPrefix(rules, "default-src 'none'") {
		t.Errorf("the policy is %s", rules)
	}
	if first := strings.Index(page, "<script"); first < found[0] {
		t.Error("a script stands before the policy")
	}
	for _, e := range scriptElement.FindAllStringSubmatch(page, -1) {
		if strings.Contains(e[1], "src=") {
			t.Errorf("a script is loaded: %s", e[1])
		}
		if !strings.Contains(e[1], "type=") && !strings.Contains(rules, "script-src "+sourceHash([]byte(e[2]))+";") {
			t.Error("the policy does not allow the script")
		}
	}
	styles := regexp.MustCompile(`(?s)<style>(.*?)</style>`).FindAllStringSubmatch(page, -1)
	if len(styles) != 1 || !strings.Contains(rules, "style-src "+sourceHash([]byte(styles[0][1]))) {
		t.Errorf("%d styles, of which the policy allows not all", len(styles))
	}
	if strings.Contains(page, `<link rel="stylesheet"`) {
		t.Error("a style is loaded")
	}
}

// Texts of a run that would end the element they are in, or begin another, do neither.
func TestHTMLTexts(t *testing.T) {
	const evil = "</script><script>alert(1)</script><!--<script>]]>\u2028 \"'&"
	m := NewModel()
	run := theRun()
	run.Name, run.Args = evil, []string{evil}
	for _, l := range []record.Line{
		run,
		&record.Engine{Number: 1, Name: evil, Kind: evil, Why: evil},
		&record.Input{Number: 0, Text: evil},
		&record.Error{Number: 1, Kind: evil, Print: evil, Text: evil, Stack: evil},
		&record.Span{Start: ms, End: 2 * ms, Call: 1, Engine: 1, Attempt: 1, Task: evil, State: record.StateError, Err: 1, Signal: evil, Last: true},
		&record.Output{Call: 1, Attempt: 1, Stdout: evil, Stderr: evil},
		&record.Mark{Kind: evil, Text: evil},
		&record.Advice{Code: evil, Text: evil, Try: evil},
	} {
		m.Add(l)
	}
	plain := fileOf(t, NewModel())
	page := fileOf(t, m)
	for _, tag := range []string{"<script", "</script", "<!--", "<title", "</title"} {
		if got, want := strings.Count(page, tag), strings.Count(plain, tag); got != want {
			t.Errorf("%d times %s, not %d", got, tag, want)
		}
	}
	d, details := inFile(t, page)
	if d.head.Run.Name != evil || !slices.Contains(d.head.Strings, evil) || d.head.Errors[0].Stack != evil {
		t.Errorf("the texts are others: %+v", d.head)
	}
	if h := details["0"]; h == nil || h.Stdout != evil || h.Stderr != evil || *h.Input != evil {
		t.Errorf("the details are %+v", h)
	}
}

// What does not fit a file is said in it.
func TestHTMLOmits(t *testing.T) {
	m := NewModel()
	m.Add(&record.Error{Number: 1, Kind: record.StateError, Print: "x", Text: "x"})
	big := strings.Repeat("x", 4000)
	const n = 2500
	for i := range n {
		m.Add(&record.Span{Start: ms, End: 2 * ms, Call: uint64(i), Engine: 1, Attempt: 1, State: record.StateError, Err: 1, Last: true})
		m.Add(&record.Output{Call: uint64(i), Attempt: 1, Stderr: big})
	}
	d, details := inFile(t, fileOf(t, m))
	if len(details) >= n || len(details) < fileDetails/5000 {
		t.Errorf("details of %d attempts", len(details))
	}
	if !slices.ContainsFunc(d.head.Advice, func(a adviceHead) bool { return a.Code == "omitted" }) {
		t.Error("it is not said")
	}
}

type fullDisk struct{ room int }

var errFull = errors.New("no space left")

func (f *fullDisk) Write(b []byte) (int, error) {
	if f.room -= len(b); f.room < 0 {
		return 0, errFull
	}
	return len(b), nil
}

func TestWriteErrors(t *testing.T) {
	m := tell(100, 1).end().model()
	size := len(fileOf(t, m))
	for room := 0; room < size; room += 1 + size/50 {
		if err := m.WriteHTML(&fullDisk{room}); !errors.Is(err, errFull) {
			t.Fatalf("with room for %d bytes: %v", room, err)
		}
	}
	if err := m.Draw(&fullDisk{10}, Drawing{}); !errors.Is(err, errFull) {
		t.Errorf("Draw: %v", err)
	}
}
