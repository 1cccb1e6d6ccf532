package dashboard

import (
	"bytes"
	"encoding/json"
	"flag"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/go-braid/braid/record"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares text with a file.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is another (with -update it is written anew):\n%s", path, got)
	}
}

// Every row, as it is decoded from the description of the format.
func TestSnapshot(t *testing.T) {
	for _, n := range []int{0, 1, 7, chunkRows + 3} {
		s := tell(n, 7)
		s.add(&record.Start{Start: s.now(), Call: 1 << 21, Engine: 2, Worker: 4, Attempt: 1}, &record.Mark{Time: ms, Kind: "resize", Text: "8"})
		m := s.model()
		d := picture(t, m)
		if d.head.Spans != m.rows.len() || d.head.Seq != uint64(len(s.lines)) || d.head.Version != 1 {
			t.Fatalf("the head is %+v", d.head)
		}
		for i := range m.rows.len() {
			r := m.rows.at(i)
			for name, want := range map[string]float64{
				"start": r.start, "end": r.end, "queued": r.queued, "lane": float64(r.lane), "task": float64(r.task),
				"input": float64(r.input), "attempt": float64(r.attempt), "state": float64(r.state), "error": float64(r.fault),
				"cpu": float64(r.cpu), "parked": float64(r.parked), "rss": float64(r.rss), "call": float64(r.call),
			} {
				if got := d.columns[name][i]; got != want && !(math.IsNaN(got) && math.IsNaN(want)) {
					t.Fatalf("%s of row %d is %v, not %v", name, i, got, want)
				}
			}
		}
		if got := d.columns["s_t"]; len(got) != len(m.samples) {
			t.Errorf("%d samples of %d", len(got), len(m.samples))
		}
		if n > 0 && len(d.columns["end"]) != 0 && !math.IsNaN(d.columns["end"][m.rows.len()-1]) {
			t.Error("what runs has an end")
		}
	}
}

func TestSnapshotTexts(t *testing.T) {
	s := tell(50, 8)
	m := s.model()
	var b bytes.Buffer
	if err := m.writeSnapshot(&b, pageTexts, nil); err != nil {
		t.Fatal(err)
	}
	d, err := decodeSnapshot(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if d.head.Texts != "inline" {
		t.Fatalf("texts are %s", d.head.Texts)
	}
	for i, k := range d.columns["text"] {
		want, _, _ := m.inputText.get(m.input.get(int(m.rows.input.at(i))))
		if got := d.head.Strings[int(k)]; got != want || got == "" {
			t.Fatalf("the text of row %d is %q, not %q", i, got, want)
		}
	}
	if d := picture(t, m); d.head.Texts != "lazy" || d.head.Strings != nil || d.columns["text"] != nil {
		t.Errorf("beyond the budget, texts are %s", d.head.Texts)
	}
}

// The head in words, so that a change of the format is seen.
func TestSnapshotHead(t *testing.T) {
	s := tell(40, 9)
	s.add(&record.Mark{Time: ms, Kind: "engine", Text: "threads: fast enough"}, &record.Dropped{Time: ms, Events: 3, Why: "disk"}).end()
	m := s.model()
	m.sort()
	d := picture(t, m)
	text, err := json.MarshalIndent(d.head, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "head.json", append(text, '\n'))
}

// What a page that only takes deltas has is what one has that fetches everything.
func TestDeltas(t *testing.T) {
	s := tell(3000, 10)
	s.add(&record.Mark{Time: ms, Kind: "slow", Text: "x"}).end()
	m := NewModel()
	for _, l := range s.lines[:100] {
		m.Add(l)
	}
	page := picture(t, m)
	m.settle()
	next := 100
	for next < len(s.lines) {
		for range min(1+s.rand.IntN(400), len(s.lines)-next) {
			m.Add(s.lines[next])
			next++
		}
		data, ok := m.encodeDelta(true)
		if !ok {
			t.Fatal("there is no delta")
		}
		if err := page.apply(data); err != nil {
			t.Fatal(err)
		}
		if err := page.same(picture(t, m)); err != nil {
			t.Fatalf("after %d lines: %v", next, err)
		}
	}
	if !reflect.DeepEqual(page.head.Advice, picture(t, m).head.Advice) {
		t.Error("the advice is another")
	}
	m.sort()
	if _, ok := m.encodeDelta(false); ok {
		t.Error("a delta tells of rows that are elsewhere now")
	}
}

func FuzzDecodeSnapshot(f *testing.F) {
	for _, n := range []int{0, 20} {
		var b bytes.Buffer
		if err := tell(n, 11).model().writeSnapshot(&b, pageTexts, nil); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := decodeSnapshot(b)
		if err != nil {
			return
		}
		for _, c := range d.head.Columns {
			if c.Length < 0 {
				t.Errorf("column %s", c.Name)
			}
		}
	})
}

// No log makes the model, what it encodes or what it draws fail.
func FuzzModel(f *testing.F) {
	f.Add(tell(30, 12).end().log())
	f.Add([]byte(`{"type":"run","schema":"braid.record/1"}
{"type":"span","t":-5,"end":-9,"c":1,"e":-1,"w":-1,"i":-1,"a":-1,"state":"x"}
{"type":"worker","w":7}
`))
	f.Add([]byte(`{"type":"run","schema":"braid.record/1"}
{"type":"span","t":9223372036854775,"end":9223372036854775,"c":1,"e":1,"w":1,"i":1,"a":1,"state":"ok"}
{"type":"start","t":9223372036854775,"c":2,"e":1,"w":1,"i":1,"a":1}
`))
	f.Fuzz(func(t *testing.T, log []byte) {
		r := record.NewReader(bytes.NewReader(log))
		m := NewModel()
		m.settle()
		for {
			l, err := r.Next()
			if _, broken := err.(*record.SyntaxError); broken {
				continue
			}
			if err != nil {
				break
			}
			m.Add(l)
		}
		m.encodeDelta(true)
		if err := overlaps(m); err != nil && m.now > 0 {
			t.Log(err) // spans that end before they begin are drawn as they are
		}
		picture(t, m)
		m.sort()
		picture(t, m)
		var b bytes.Buffer
		if err := m.Draw(&b, Drawing{Color: true}); err != nil {
			t.Error(err)
		}
	})
}
