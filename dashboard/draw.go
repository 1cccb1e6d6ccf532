package dashboard

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// A Drawing says how [Model.Draw] draws.
type Drawing struct {
	Width  int  // columns, at least 20; 0 is 80
	Height int  // rows, of which the lanes take what is left over; less than 20 is as many as needed, but no more than 40 lanes
	Color  bool // with the escape sequences of a terminal
}

// Draw draws the run with characters: what became of it, its lanes, failures by group,
// the slowest attempts, and advice. Each cell of a lane is as full as the lane was busy
// in that time; a cell with a failure is ✕, one with a retry ↻, and it is so however
// short the attempt was. Lanes that find no room share rows. Control characters in texts
// are shown as �. The error is that of w.
func (m *Model) Draw(w io.Writer, d Drawing) error {
	d.Width = max(cmp.Or(d.Width, 80), 20)
	p := &painter{m: m, w: bufio.NewWriter(w), d: d}
	tail := p.tail()
	p.header()
	rows := 40
	if d.Height >= 20 {
		rows = max(4, d.Height-p.lines-len(tail)-6)
	}
	p.lanes(rows)
	for _, line := range tail {
		p.line(line)
	}
	return p.w.Flush()
}

// Colours of a terminal. Failures have one that nothing else has.
const (
	bold  = "1"
	dim   = "2"
	fail  = "38;5;202" // vermilion
	again = "38;5;214" // amber
	good  = "38;5;36"  // bluish green
)

// fills are for the lanes of one engine each; never red or orange.
var fills = [...]string{"38;5;32", "38;5;36", "38;5;175", "38;5;75"}

// levels are cells by how full they are.
var levels = []rune(" ▁▂▃▄▅▆▇█")

// level returns the cell for a share of 1. What is not empty is seen.
func level(share float64) rune {
	if !(share > 0) {
		return ' '
	}
	return levels[min(max(1, int(math.Round(share*8))), 8)]
}

type painter struct {
	m     *Model
	w     *bufio.Writer
	d     Drawing
	lines int
}

func (p *painter) paint(code, text string) string {
	if !p.d.Color || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (p *painter) line(s string) {
	p.lines++
	p.w.WriteString(strings.TrimRight(s, " "))
	p.w.WriteByte('\n')
}

// verdict says in a word what became of the run, and in which colour.
func (m *Model) verdict() (word, color string) {
	c := m.tally()
	switch state := m.state(); {
	case state == "died":
		return "died", fail
	case state == "running":
		return "running", bold
	case m.end.Verdict != "":
		if m.end.Verdict == "ok" {
			return "ok", good
		}
		return clean(m.end.Verdict), fail
	case c.Failed > 0:
		return "failed", fail
	default:
		return "ok", good
	}
}

func (p *painter) header() {
	m := p.m
	c := m.tally()
	word, color := m.verdict()
	name := clean(cmp.Or(m.run.Name, m.run.Task, "run"))
	first := p.paint(bold, clip(name, p.d.Width/2)) + "  " + p.paint(color, strings.ToUpper(word))
	used := width(clip(name, p.d.Width/2)) + 2 + width(word)
	for i := range m.engines {
		e := &m.engines[i]
		s := "  " + clean(e.Name)
		if e.Limit > 0 {
			s += " ×" + strconv.Itoa(e.Limit)
		}
		if used += width(s); used > p.d.Width {
			break
		}
		first += s
	}
	p.line(first)

	line := thousands(c.OK) + " ok"
	used = width(line)
	add := func(n int, what, color string) {
		if n == 0 {
			return
		}
		part := thousands(n) + " " + what
		if used+3+width(part) > p.d.Width {
			p.line(line)
			line, used = "", -3
		}
		if line != "" {
			line += " · "
		}
		line += p.paint(color, part)
		used += 3 + width(part)
	}
	add(c.Failed, "failed", fail)
	add(c.Retried, "ok after a retry", again)
	running, queued := "running", "queued"
	if m.state() != "running" {
		running, queued = "unfinished", "not begun"
	}
	add(c.Running, running, bold)
	add(c.Queued, queued, dim)
	add(c.Stopped, "stopped", fail)
	add(c.Skipped, "not tried", dim)
	p.line(line)
	s := duration(m.now)
	if done := c.OK + c.Retried + c.Failed; done > 0 && m.now > 0 {
		s += fmt.Sprintf(" · %s a second", rate(float64(done)/m.now*1e6))
	}
	if n := m.stats.wall.n; n > 0 {
		s += fmt.Sprintf(" · half take up to %s, 95 %% up to %s", duration(m.stats.wall.quantile(0.5)), duration(m.stats.wall.quantile(0.95)))
	}
	p.line(clip(s, p.d.Width))
	if word == "died" {
		p.line(p.paint(fail, clip("The run died: its process is gone, and what ran then has no end.", p.d.Width)))
	}
	if m.shed > 0 {
		p.line(clip(fmt.Sprintf("Shown are %s of %s attempts; the oldest that went well are left out.", thousands(m.rows.len()), thousands(m.rows.len()+m.shed)), p.d.Width))
	}
}

func rate(v float64) string {
	if v < 10 {
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return thousands(int(math.Round(v)))
}

// A cell is a part of the time of a lane, or of several that share a row.
type cell struct {
	busy          float64
	failed, again bool
	running       bool
}

// lanes draws the lanes, in at most rows rows.
func (p *painter) lanes(rows int) {
	m := p.m
	if m.rows.len() == 0 {
		p.line("")
		nothing := "Nothing has run."
		if m.state() == "running" {
			nothing = "Nothing has run yet."
		}
		p.line(nothing)
		return
	}
	order := m.laneOrder()
	// Lanes of one engine share rows, the same number in each.
	share := 1
	groups := func() (all [][]int) {
		for _, i := range order {
			if n := len(all); n > 0 && len(all[n-1]) < share && m.lanes[all[n-1][0]].engine == m.lanes[i].engine {
				all[n-1] = append(all[n-1], i)
				continue
			}
			all = append(all, []int{i})
		}
		return all
	}
	grouped := groups()
	for len(grouped) > max(rows, len(m.engines)) {
		share *= 2
		grouped = groups()
	}
	names := make([]string, len(grouped))
	label := 0
	for r, g := range grouped {
		names[r] = m.laneName(g)
		label = max(label, width(names[r]))
	}
	label = min(label, p.d.Width/3)
	columns := p.d.Width - label - 2 - 6 // the name, two lines, the share
	begin, end := m.rows.start.at(0), math.Max(m.now, 1)
	for i := range m.rows.len() {
		begin = min(begin, m.rows.start.at(i))
	}
	if begin < (end-begin)/20 {
		begin = 0 // which is easier to read
	}
	if end <= begin {
		end = begin + max(1, math.Abs(begin)/1e9)
	}
	cells := p.cells(grouped, columns, begin, end)

	p.line("")
	p.line(strings.Repeat(" ", label+1) + p.paint(dim, axis(columns, begin, end)))
	for r, g := range grouped {
		var b strings.Builder
		name := clip(names[r], label)
		b.WriteString(strings.Repeat(" ", label-width(name)) + name + p.paint(dim, "│"))
		fill := fills[m.lanes[g[0]].engine%len(fills)]
		busy := 0.0
		runs := newRuns(p)
		for _, c := range cells[r] {
			busy += c.busy
			switch {
			case c.failed:
				runs.put(fail, '✕')
			case c.again:
				runs.put(again, '↻')
			case c.running && c.busy == 0:
				runs.put(bold, '·')
			default:
				runs.put(fill, level(c.busy))
			}
		}
		b.WriteString(runs.String() + p.paint(dim, "│"))
		fmt.Fprintf(&b, "%5s", strconv.Itoa(int(math.Round(100*busy/float64(columns))))+"%")
		p.line(b.String())
	}
	p.counters(label, columns, begin, end)
}

// cells computes what is in each cell of the rows of lanes.
func (p *painter) cells(grouped [][]int, columns int, begin, end float64) [][]cell {
	m := p.m
	cells := make([][]cell, len(grouped))
	rowOf := make([]int, len(m.lanes))
	for r, g := range grouped {
		cells[r] = make([]cell, columns)
		for _, i := range g {
			rowOf[i] = r
		}
	}
	scale := float64(columns) / (end - begin)
	for i := range m.rows.len() {
		from, to := (m.rows.start.at(i)-begin)*scale, (m.rows.end.at(i)-begin)*scale
		state := m.rows.state.at(i)
		running := math.IsNaN(to)
		if running {
			to = float64(columns)
		}
		r := rowOf[m.rows.lane.at(i)]
		row := cells[r]
		first := min(max(int(from), 0), columns-1)
		last := min(max(int(to), first), columns-1)
		for c := first; c <= last; c++ {
			row[c].busy += max(0, min(to, float64(c+1))-max(from, float64(c))) / float64(len(grouped[r]))
			row[c].running = row[c].running || running
		}
		switch {
		case broken(state) && state&stateRetried == 0:
			row[last].failed = true
		case state&stateRetried != 0:
			row[last].again = true
		}
	}
	return cells
}

// counters draws the samples on the same axis.
func (p *painter) counters(label, columns int, begin, end float64) {
	m := p.m
	if len(m.samples) < 2 || label < 3 {
		return
	}
	one := func(name string, most float64, text string, value func(i int) float64) {
		var b strings.Builder
		b.WriteString(strings.Repeat(" ", max(0, label-width(name))) + name + p.paint(dim, "│"))
		runs := newRuns(p)
		k := 0
		for c := range columns {
			t := begin + (float64(c)+1)*(end-begin)/float64(columns)
			for k+1 < len(m.samples) && us(m.samples[k].Time) < t {
				k++
			}
			runs.put(dim, level(value(k)/most))
		}
		b.WriteString(runs.String() + p.paint(dim, "│") + fmt.Sprintf("%5s", text))
		p.line(b.String())
	}
	if cpus := float64(m.run.CPUs); cpus > 0 {
		used := 0.0
		for i := range m.samples {
			used += m.samples[i].CPU
		}
		used /= float64(len(m.samples)) * cpus
		one("cpu", cpus, strconv.Itoa(int(math.Round(100*used)))+"%", func(i int) float64 { return m.samples[i].CPU })
	}
}

// A runs writes characters with few changes of colour.
type runs struct {
	p    *painter
	b    strings.Builder
	code string
	text []rune
}

func newRuns(p *painter) *runs { return &runs{p: p} }

func (r *runs) put(code string, c rune) {
	if c == ' ' {
		code = r.code // a blank has none
	}
	if code != r.code {
		r.flush()
		r.code = code
	}
	r.text = append(r.text, c)
}

func (r *runs) flush() {
	r.b.WriteString(r.p.paint(r.code, string(r.text)))
	r.text = r.text[:0]
}

func (r *runs) String() string {
	r.flush()
	return r.b.String()
}

// laneName names a row of lanes.
func (m *Model) laneName(group []int) string {
	first, last := &m.lanes[group[0]], &m.lanes[group[len(group)-1]]
	name := m.number(first)
	if len(group) > 1 {
		name += "–" + m.number(last)
	}
	return clean(m.engines[first.engine].Name) + " " + name
}

// axis returns the line with the times.
func axis(columns int, begin, end float64) string {
	line := []rune(strings.Repeat(" ", columns+1))
	step := nice((end - begin) / float64(max(columns/14, 2)))
	first := math.Ceil(begin/step) * step
	for k := range columns { // at most so many, also where a time is so large that a step is lost in it
		t := first + float64(k)*step
		if t > end {
			break
		}
		text := []rune(duration(t))
		at := int((t - begin) / (end - begin) * float64(columns))
		if at+len(text) < len(line) {
			copy(line[at:], text)
		}
	}
	return strings.TrimRight(string(line), " ")
}

// nice returns a round number not below v.
func nice(v float64) float64 {
	ten := math.Pow(10, math.Floor(math.Log10(max(v, 1))))
	for _, k := range []float64{1, 2, 5} {
		if k*ten >= v {
			return k * ten
		}
	}
	return 10 * ten
}

// tail returns what stands below the lanes.
func (p *painter) tail() []string {
	var lines []string
	lines = append(lines, p.failures()...)
	lines = append(lines, p.slowest()...)
	return append(lines, p.advice()...)
}

func (p *painter) failures() []string {
	m := p.m
	all := make([]*fault, 0, len(m.faults))
	for i := range m.faults {
		// What was stopped with the run, or never begun, has not failed.
		if f := &m.faults[i]; f.count > 0 && f.kind != stateNames[stateCancelled] && f.kind != stateNames[stateRefused] {
			all = append(all, &m.faults[i])
		}
	}
	if len(all) == 0 {
		return nil
	}
	slices.SortStableFunc(all, func(a, b *fault) int { return cmp.Compare(b.count, a.count) })
	lines := []string{"", p.paint(bold, "Failed attempts")}
	for k, f := range all {
		if k == 8 {
			lines = append(lines, fmt.Sprintf("  and %s more kinds", thousands(len(all)-k)))
			break
		}
		head := fmt.Sprintf("  ✕ %6s× %-9s ", thousands(f.count), clip(clean(f.kind), 9))
		text := clip(firstLine(clean(f.text)), p.d.Width-width(head))
		lines = append(lines, p.paint(fail, head)+text)
		if f.sample >= 0 {
			if s := m.inputName(m.rows.input.at(f.sample)); s != "" && (len(s) < 2 || !strings.Contains(f.text, s)) {
				lines = append(lines, p.paint(dim, clip(strings.Repeat(" ", width(head))+"such as "+s, p.d.Width)))
			}
		}
	}
	return lines
}

// inputName returns the text of an input, or its number.
func (m *Model) inputName(input uint32) string {
	if s, _, ok := m.inputText.get(m.input.get(int(input))); ok {
		return firstLine(clean(s))
	}
	return "input " + strconv.Itoa(int(input)+1)
}

func (p *painter) slowest() []string {
	m := p.m
	if len(m.stats.longest.rows) == 0 {
		return nil
	}
	lines := []string{"", p.paint(bold, "Slowest")}
	for k, r := range m.stats.longest.rows {
		if k == 5 {
			break
		}
		head := fmt.Sprintf("  %8s  %-9s ", duration(r.end-r.start), stateName(r.state))
		lines = append(lines, head+clip(m.inputName(r.input), p.d.Width-width(head)))
	}
	return lines
}

func (p *painter) advice() []string {
	all := p.m.advise()
	if len(all) == 0 {
		return nil
	}
	lines := []string{"", p.paint(bold, "Advice")}
	for _, a := range all {
		text := clean(a.Text)
		if a.Try != "" {
			text += "; try " + clean(a.Try)
		}
		for i, s := range wrap(text, p.d.Width-4) {
			if i == 0 {
				lines = append(lines, "  • "+s)
			} else {
				lines = append(lines, "    "+s)
			}
		}
	}
	return lines
}

// wrap breaks a text into lines of at most n columns.
func wrap(s string, n int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(s) {
		word = clip(word, n)
		switch {
		case line == "":
			line = word
		case width(line)+1+width(word) <= n:
			line += " " + word
		default:
			lines = append(lines, line)
			line = word
		}
	}
	return append(lines, line)
}

// clean replaces what a terminal would take for a command.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r): // escapes, and what turns the direction of a text
			return '�'
		}
		return r
	}, s)
}

// wide reports whether a character takes two columns.
func wide(r rune) bool {
	return r >= 0x1100 && (r <= 0x115f || r >= 0x2e80 && r <= 0xa4cf || r >= 0xac00 && r <= 0xd7a3 ||
		r >= 0xf900 && r <= 0xfaff || r >= 0xfe30 && r <= 0xfe6f || r >= 0xff00 && r <= 0xff60 ||
		r >= 0xffe0 && r <= 0xffe6 || r >= 0x1f300 && r <= 0x1faff || r >= 0x20000 && r <= 0x3fffd)
}

// width returns how many columns a text takes.
func width(s string) int {
	n := 0
	for _, r := range s {
		switch {
		case wide(r):
			n += 2
		case !unicode.Is(unicode.Mn, r): // accents stand on what is before them
			n++
		}
	}
	return n
}

// clip returns what of s fits into n columns, and its first line only.
func clip(s string, n int) string {
	s = strings.ReplaceAll(s, "\t", " ")
	s, _, _ = strings.Cut(s, "\n")
	if width(s) <= n {
		return s
	}
	used := 0
	for i, r := range s {
		if used += width(string(r)); used > n-1 {
			return s[:i] + "…"
		}
	}
	return s
}
