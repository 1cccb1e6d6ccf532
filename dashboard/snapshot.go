package dashboard

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io"
	"math"
	"slices"
	"time"
)

// The version of the data that the page reads.
const snapshotVersion = 1

// head is the first part of a snapshot, which says what the columns are about.
type head struct {
	Version   int          `json:"version"`
	Seq       uint64       `json:"seq"`
	Run       runHead      `json:"run"`
	State     string       `json:"state"`
	Now       float64      `json:"now"`
	End       *endHead     `json:"end"`
	Inputs    inputsHead   `json:"inputs"`
	Counts    counts       `json:"counts"`
	Engines   []engineHead `json:"engines"`
	Lanes     []laneHead   `json:"lanes"`
	Tasks     []string     `json:"tasks"`
	Errors    []faultHead  `json:"errors"`
	Marks     []markHead   `json:"marks"`
	Advice    []adviceHead `json:"advice"`
	Dropped   int          `json:"dropped"`
	Decision  *string      `json:"decision"`
	Texts     string       `json:"texts"`
	Strings   []string     `json:"strings,omitempty"`
	Spans     int          `json:"spans"`
	Truncated *truncated   `json:"truncated"`
	Control   bool         `json:"control"`
	Sorted    bool         `json:"sorted"`
	Columns   []columnHead `json:"columns"`
}

type runHead struct {
	ID     string   `json:"id,omitempty"`
	Name   string   `json:"name,omitempty"`
	Task   string   `json:"task,omitempty"`
	Args   []string `json:"args,omitempty"`
	Wall   string   `json:"wall,omitempty"`
	Braid  string   `json:"braid,omitempty"`
	Go     string   `json:"go,omitempty"`
	OS     string   `json:"os,omitempty"`
	Arch   string   `json:"arch,omitempty"`
	Host   string   `json:"host,omitempty"`
	PID    int      `json:"pid,omitempty"`
	CPUs   int      `json:"cpus,omitempty"`
	Dir    string   `json:"dir,omitempty"`
	Parent string   `json:"parent,omitempty"`
}

type endHead struct {
	T       float64 `json:"t"`
	Verdict string  `json:"verdict"`
	Exit    int     `json:"exit"`
	OK      int     `json:"ok"`
	Failed  int     `json:"failed"`
	Stopped int     `json:"stopped"`
	Skipped int     `json:"skipped"`
	Total   int     `json:"total"`
}

type inputsHead struct {
	Total int `json:"total"` // 0 if it is not known
	Read  int `json:"read"`
}

type engineHead struct {
	E     int    `json:"e"`
	Name  string `json:"name"`
	Kind  string `json:"kind"`
	Limit int    `json:"limit"`
	Why   string `json:"why,omitempty"`
}

type laneHead struct {
	Engine  int          `json:"engine"`
	Process string       `json:"process"`
	Slot    int          `json:"slot"`
	Label   string       `json:"label"`
	Downs   [][2]float64 `json:"downs,omitempty"`
}

type faultHead struct {
	N      int     `json:"n"`
	Kind   string  `json:"kind"`
	Print  string  `json:"print"`
	Text   string  `json:"text"`
	Stack  string  `json:"stack,omitempty"`
	Count  int     `json:"count"`
	First  float64 `json:"first"`
	Last   float64 `json:"last"`
	Sample int     `json:"sample"`
}

type markHead struct {
	T    float64 `json:"t"`
	Kind string  `json:"kind"`
	Text string  `json:"text"`
	Lane int     `json:"lane"`
}

type adviceHead struct {
	Code string `json:"code"`
	Text string `json:"text"`
	Try  string `json:"try,omitempty"`
}

type truncated struct {
	Shown int `json:"shown"`
	Of    int `json:"of"`
}

type columnHead struct {
	Name   string `json:"name"`
	Type   string `json:"type"`
	Offset int    `json:"offset"`
	Length int    `json:"length"`
}

// textBudget is what texts of inputs may come with a snapshot. Otherwise the page asks
// for each when it is wanted.
type textBudget struct{ spans, bytes int }

var (
	pageTexts = textBudget{50_000, 1 << 20}
	fileTexts = textBudget{500_000, 16 << 20} // there is nobody to ask
)

// head returns the head of a snapshot, but for what is about its columns.
func (m *Model) head() *head {
	h := &head{
		Version: snapshotVersion, Seq: m.seq, State: m.state(), Now: m.now, End: m.endHead(),
		Inputs: m.inputsHead(), Counts: m.tally(), Engines: m.engineHeads(), Lanes: m.laneHeads(0),
		Tasks: append([]string{}, m.tasks...), Errors: m.faultHeads(nil), Marks: m.markHeads(0),
		Advice: m.adviceHeads(), Dropped: m.dropped, Decision: m.decision(), Texts: "lazy",
		Spans: m.rows.len(), Sorted: m.sorted,
	}
	r := &m.run
	h.Run = runHead{
		ID: r.ID, Name: r.Name, Task: r.Task, Args: r.Args, Braid: r.Braid, Go: r.Go, OS: r.OS, Arch: r.Arch,
		Host: r.Host, PID: r.PID, CPUs: r.CPUs, Dir: r.Dir, Parent: r.Parent,
	}
	if !r.Wall.IsZero() {
		h.Run.Wall = r.Wall.Format(time.RFC3339Nano)
	}
	if m.shed > 0 {
		h.Truncated = &truncated{Shown: m.rows.len(), Of: m.rows.len() + m.shed}
	}
	return h
}

func (m *Model) endHead() *endHead {
	e := m.end
	if e == nil {
		return nil
	}
	return &endHead{
		T: us(e.Time), Verdict: e.Verdict, Exit: e.Exit,
		OK: e.OK, Failed: e.Failed, Stopped: e.Stopped, Skipped: e.Skipped, Total: e.Total,
	}
}

func (m *Model) inputsHead() inputsHead {
	h := inputsHead{Read: m.inputs}
	if m.end != nil {
		h.Total = m.end.Total
	} else if n := len(m.samples); n > 0 {
		h.Total = m.samples[n-1].Total
	}
	return h
}

func (m *Model) engineHeads() []engineHead {
	heads := make([]engineHead, len(m.engines))
	for i, e := range m.engines {
		heads[i] = engineHead{E: e.Number, Name: e.Name, Kind: e.Kind, Limit: e.Limit, Why: e.Why}
	}
	return heads
}

// laneHeads returns the lanes from number from on.
func (m *Model) laneHeads(from int) []laneHead {
	heads := make([]laneHead, 0, len(m.lanes)-from)
	for i := from; i < len(m.lanes); i++ {
		l := &m.lanes[i]
		heads = append(heads, laneHead{Engine: l.engine, Process: m.process(l), Slot: m.slot(l), Label: m.label(l), Downs: m.downs(l)})
	}
	return heads
}

// downs returns when the worker of a lane was away. One that went for good when its
// engine had nothing more to do was not away.
func (m *Model) downs(l *lane) [][2]float64 {
	var downs [][2]float64
	for _, d := range l.downs {
		if math.IsNaN(d[1]) {
			if m.end != nil && !m.worksAfter(l.engine, d[0]) {
				continue
			}
			d[1] = m.now
		}
		downs = append(downs, d)
	}
	return downs
}

// worksAfter reports whether an engine ran something after t.
func (m *Model) worksAfter(engine int, t float64) bool {
	return slices.ContainsFunc(m.lanes, func(l lane) bool { return l.engine == engine && l.last > t })
}

// faultHeads returns groups of errors: those of which, or all if it is nil.
func (m *Model) faultHeads(which []int) []faultHead {
	heads := []faultHead{}
	add := func(i int) {
		f := &m.faults[i]
		heads = append(heads, faultHead{
			N: i, Kind: f.kind, Print: f.print, Text: f.text, Stack: f.stack,
			Count: f.count, First: f.first, Last: f.last, Sample: f.sample,
		})
	}
	if which == nil {
		for i := range m.faults {
			add(i)
		}
	}
	for _, i := range which {
		add(i)
	}
	return heads
}

func (m *Model) markHeads(from int) []markHead {
	heads := make([]markHead, 0, len(m.marks)-from)
	for _, k := range m.marks[from:] {
		heads = append(heads, markHead{T: k.t, Kind: k.kind, Text: k.text, Lane: -1})
	}
	return heads
}

func (m *Model) adviceHeads() []adviceHead {
	heads := []adviceHead{}
	for _, a := range m.advise() {
		heads = append(heads, adviceHead{a.Code, a.Text, a.Try})
	}
	return heads
}

// decision returns what is known of why the run has the engine that it has.
func (m *Model) decision() *string {
	for i := len(m.marks) - 1; i >= 0; i-- {
		if m.marks[i].kind == "engine" && m.marks[i].text != "" {
			return &m.marks[i].text
		}
	}
	return nil
}

// samples are the columns of the samples.
type samples struct {
	t                                     []float64
	running, queued, cpu, rss, done, fail []float32
}

func (m *Model) sampleColumns() samples {
	n := len(m.samples)
	s := samples{t: make([]float64, n)}
	for _, c := range []*[]float32{&s.running, &s.queued, &s.cpu, &s.rss, &s.done, &s.fail} {
		*c = make([]float32, n)
	}
	for i := range m.samples {
		l := &m.samples[i]
		s.t[i] = us(l.Time)
		s.running[i], s.queued[i] = float32(l.Running), float32(l.Queued)
		s.cpu[i], s.rss[i] = float32(l.CPU), float32(known(float64(l.RSS)))
		s.done[i], s.fail[i] = float32(l.Done), float32(l.Failed)
	}
	return s
}

// writeSnapshot writes the model as the page reads it: the length of the head, the
// head as JSON, and the columns. change, if not nil, may add to the head; the texts of
// inputs come along if they are within budget.
func (m *Model) writeSnapshot(w io.Writer, budget textBudget, change func(*head)) error {
	h := m.head()
	if change != nil {
		change(h)
	}
	var text []uint32
	if m.inputText.used <= budget.bytes && m.inputText.omitted == 0 && m.rows.len() <= budget.spans {
		h.Texts = "inline"
		h.Strings, text = m.strings()
	}
	c := &columnWriter{w: w}
	s := m.sampleColumns()
	n := m.rows.len()
	for _, col := range []struct {
		name, kind string
		size, n    int
	}{
		{"start", "f64", 8, n}, {"end", "f64", 8, n}, {"queued", "f64", 8, n}, {"lane", "u32", 4, n}, {"task", "u16", 2, n},
		{"input", "u32", 4, n}, {"attempt", "u16", 2, n}, {"state", "u8", 1, n}, {"error", "i32", 4, n}, {"cpu", "f32", 4, n},
		{"parked", "f32", 4, n}, {"rss", "f32", 4, n}, {"call", "u32", 4, n}, {"text", "u32", 4, len(text)},
		{"s_t", "f64", 8, len(s.t)}, {"s_running", "f32", 4, len(s.t)}, {"s_queued", "f32", 4, len(s.t)}, {"s_cpu", "f32", 4, len(s.t)},
		{"s_rss", "f32", 4, len(s.t)}, {"s_done", "f32", 4, len(s.t)}, {"s_failed", "f32", 4, len(s.t)},
	} {
		if col.name != "text" || h.Texts == "inline" {
			h.Columns = append(h.Columns, columnHead{col.name, col.kind, c.offset, col.n})
			c.offset += (col.n*col.size + 7) &^ 7
		}
	}
	c.head(h)
	r := &m.rows
	writeColumn(c, &r.start)
	writeColumn(c, &r.end)
	writeColumn(c, &r.queued)
	writeColumn(c, &r.lane)
	writeColumn(c, &r.task)
	writeColumn(c, &r.input)
	writeColumn(c, &r.attempt)
	writeColumn(c, &r.state)
	writeColumn(c, &r.fault)
	writeColumn(c, &r.cpu)
	writeColumn(c, &r.parked)
	writeColumn(c, &r.rss)
	writeColumn(c, &r.call)
	if h.Texts == "inline" {
		c.values(text)
		c.pad()
	}
	c.values(s.t)
	c.pad()
	for _, v := range [][]float32{s.running, s.queued, s.cpu, s.rss, s.done, s.fail} {
		c.values(v)
		c.pad()
	}
	return c.err
}

// strings returns the texts of the inputs, and for each row which one is its own.
func (m *Model) strings() (all []string, index []uint32) {
	all = []string{""}
	index = make([]uint32, m.rows.len())
	at := make(map[uint32]uint32)
	for i := range index {
		input := m.rows.input.at(i)
		k, ok := at[input]
		if !ok {
			if s, _, have := m.inputText.get(m.input.get(int(input))); have && s != "" {
				k = uint32(len(all))
				all = append(all, s)
			}
			at[input] = k
		}
		index[i] = k
	}
	return all, index
}

// A columnWriter writes columns, each at a multiple of 8 bytes.
type columnWriter struct {
	w      io.Writer
	err    error
	offset int // as it is planned
	n      int // bytes of columns that were written
	buf    []byte
}

func (c *columnWriter) write(b []byte) {
	if c.err == nil {
		_, c.err = c.w.Write(b)
	}
}

func (c *columnWriter) head(h *head) {
	text, err := json.Marshal(h)
	if err != nil {
		c.err = err
		return
	}
	text = append(text, bytes.Repeat([]byte{' '}, -(4+len(text))&7)...)
	c.write(binary.LittleEndian.AppendUint32(nil, uint32(len(text))))
	c.write(text)
}

// values writes a slice of numbers of a fixed size.
func (c *columnWriter) values(v any) {
	if c.err == nil {
		c.buf, c.err = binary.Append(c.buf[:0], binary.LittleEndian, v)
		c.write(c.buf)
		c.n += len(c.buf)
	}
}

func (c *columnWriter) pad() {
	var zero [8]byte
	n := -c.n & 7
	c.write(zero[:n])
	c.n += n
}

func writeColumn[T any](c *columnWriter, col *column[T]) {
	for _, chunk := range col.chunks {
		c.values(chunk)
	}
	c.pad()
}
