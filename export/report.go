package export

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-braid/braid/record"
)

// How much of each list a report shows.
const (
	topFailures = 10
	topSlow     = 5
	topAdvice   = 5
	reportText  = 160 // of an input or an error, in bytes
)

// Markdown writes a summary of the record that r reads to w, of about one screen: the
// verdict and the counts; the engine and why it was chosen; the failures by fingerprint,
// the most frequent first, each with one that is an example; how times are spread, to a
// part in 64, and how busy the engines were; the slowest attempts; advice. It is for the
// comment of a change, the log of a build, or a program that reads prose.
//
// Texts of the record, such as inputs and errors, are cut and shown as code, so that none
// of them is taken for markup, a link or a mention.
//
// A record without an end, of a run that was killed or still runs, is summarised as far
// as it goes, and the verdict says so.
//
// Lines of the record that are broken are left out, and the error is the first of them, a
// *[record.SyntaxError], when all else is written. Other errors are of the reader or of w.
func Markdown(w io.Writer, r *record.Reader) error {
	rep := &report{account: newAccount(r), engines: make(map[int]*engineReport), failures: make(map[string]*failure)}
	if err := rep.drain(rep.line); err != nil {
		return err
	}
	rep.running = len(rep.open)
	_, err := w.Write(rep.write())
	return cmp.Or(err, rep.broken)
}

// A report is what the summary tells.
type report struct {
	*account
	engines  map[int]*engineReport
	failures map[string]*failure // by fingerprint
	slow     []slow              // the slowest first
	advice   []record.Advice

	ok, retried, failed, stopped, skipped, running int
}

// An engineReport is what an engine did.
type engineReport struct {
	attempts    int
	wall, wait  quantiles
	busy, cpu   time.Duration
	cpuWall     time.Duration // of the attempts of which cpu is known
	first, last time.Duration
	workers     map[int]time.Duration // how long each was busy
}

// A failure is what failures with the same fingerprint have in common.
type failure struct {
	print        string
	kind         record.State
	text         string
	final, other int // how many calls ended so, and how many attempts that others followed
	first, last  time.Duration
	item         string
	input        int
}

type slow struct {
	span record.Span
	item string
}

func (r *report) line(line record.Line) error {
	switch l := line.(type) {
	case *record.Span:
		r.span(l)
	case *record.Advice:
		r.advice = append(r.advice, *l)
	}
	return nil
}

func (r *report) span(s *record.Span) {
	if s.Last {
		switch {
		case s.OK() && s.Attempt > 1:
			r.retried++
		case s.OK():
			r.ok++
		case s.State == record.StateCancelled:
			r.stopped++
		case s.State == record.StateRefused:
			r.skipped++
		default:
			r.failed++
		}
	}
	if s.State == record.StateRefused {
		return
	}
	if !s.OK() && s.State != record.StateCancelled {
		r.failure(s)
	}
	r.measure(s)
	wall := s.End - s.Start
	if len(r.slow) < topSlow || wall > r.slow[topSlow-1].span.End-r.slow[topSlow-1].span.Start {
		i, _ := slices.BinarySearchFunc(r.slow, wall, func(a slow, wall time.Duration) int {
			return cmp.Compare(wall, a.span.End-a.span.Start) // the first of equals stays in front
		})
		for i < len(r.slow) && r.slow[i].span.End-r.slow[i].span.Start == wall {
			i++
		}
		r.slow = slices.Insert(r.slow, i, slow{*s, r.inputs[s.Input].Text})
		r.slow = r.slow[:min(len(r.slow), topSlow)]
	}
}

func (r *report) measure(s *record.Span) {
	e := r.engines[s.Engine]
	if e == nil {
		e = &engineReport{first: s.Start, workers: make(map[int]time.Duration)}
		r.engines[s.Engine] = e
	}
	wall := s.End - s.Start
	busy := max(wall-s.Parked, 0)
	e.attempts++
	e.wall.add(wall)
	if s.Queued > 0 {
		e.wait.add(s.Start - s.Queued)
	}
	e.busy += busy
	if s.CPU > 0 {
		e.cpu += s.CPU
		e.cpuWall += wall
	}
	e.first, e.last = min(e.first, s.Start), max(e.last, s.End)
	if s.Worker > 0 {
		e.workers[s.Worker] += busy
	}
}

func (r *report) failure(s *record.Span) {
	e := r.errors[s.Err]
	print := cmp.Or(e.Print, string(s.State))
	f := r.failures[print]
	if f == nil {
		f = &failure{print: e.Print, kind: s.State, first: s.End}
		r.failures[print] = f
	}
	if f.final+f.other == 0 || s.Last && f.final == 0 {
		f.text, f.input, f.item = e.Text, s.Input, r.inputs[s.Input].Text
	}
	if s.Last {
		f.final++
	} else {
		f.other++
	}
	f.first, f.last = min(f.first, s.End), max(f.last, s.End)
}

// A page is Markdown while it is written.
type page struct{ bytes.Buffer }

func (p *page) line(format string, args ...any) { fmt.Fprintf(p, format+"\n", args...) }

func (r *report) write() []byte {
	p := new(page)
	r.verdict(p)
	r.about(p)
	r.writeFailures(p)
	r.writeEngines(p)
	r.writeSlow(p)
	r.writeAdvice(p)
	return p.Bytes()
}

func (r *report) verdict(p *page) {
	name := "braid"
	if n := cmp.Or(r.run.Name, r.run.Task); n != "" {
		name = prose(n, 60)
	}
	ok, failed, stopped, skipped := r.ok+r.retried, r.failed, r.stopped, r.skipped
	total := ok + failed + stopped + skipped + r.running
	if r.end != nil {
		ok, failed, stopped, skipped, total = r.end.OK, r.end.Failed, r.end.Stopped, r.end.Skipped, r.end.Total
	}
	verdict := "unfinished: the record has no end, so the run was killed or still goes on"
	if r.end != nil {
		switch v := r.end.Verdict; v {
		case "ok":
			verdict = "ok, " + plural(total, "input")
		case "failed":
			verdict = fmt.Sprintf("failed, %s of %s", count(failed), plural(total, "input"))
		case "stopped":
			verdict = fmt.Sprintf("stopped, %s of %s were not done", count(stopped+skipped), plural(total, "input"))
		default:
			verdict = prose(v, 40)
		}
	}
	p.line("# %s: %s", name, verdict)
	p.line("")
	p.line("| ok | of these retried | failed | running | stopped | skipped | total | time | a second |")
	p.line("|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
	rate := "–"
	if r.last > 0 {
		rate = strconv.FormatFloat(float64(ok+failed)/r.last.Seconds(), 'g', 3, 64)
		if ok+failed >= int(1000*r.last.Seconds()) {
			rate = count(int(float64(ok+failed) / r.last.Seconds()))
		}
	}
	p.line("| %s | %s | %s | %s | %s | %s | %s | %s | %s |", count(ok), count(r.retried), count(failed), count(r.running),
		count(stopped), count(skipped), count(total), brief(r.last), rate)
	p.line("")
	if r.dropped > 0 {
		p.line("**The record lacks %s**: the figures below are of what it has.\n", plural(int(r.dropped), "event"))
	}
	if r.lost > 0 {
		p.line("**The record is damaged, %s cannot be read**: the figures below are of the others.\n", plural(r.lost, "line"))
	}
}

func (r *report) about(p *page) {
	for _, e := range r.account.engines {
		why := ""
		if e.Why != "" {
			why = ", because of " + code(e.Why, 300)
		}
		p.line("- engine: %s%s", engineName(&e, e.Number), why)
	}
	var facts []string
	if r.run.ID != "" {
		facts = append(facts, code(r.run.ID, 60))
	}
	if !r.run.Wall.IsZero() {
		facts = append(facts, r.run.Wall.UTC().Format("2006-01-02 15:04:05 UTC"))
	}
	if r.run.Host != "" {
		facts = append(facts, "on "+prose(r.run.Host, 60))
	}
	if r.run.OS != "" {
		facts = append(facts, code(r.run.OS+"/"+r.run.Arch, 40))
	}
	if r.run.CPUs > 0 {
		facts = append(facts, plural(r.run.CPUs, "processor"))
	}
	if r.run.Braid != "" {
		facts = append(facts, "braid "+prose(r.run.Braid, 60))
	}
	if len(facts) > 0 {
		p.line("- run: %s", strings.Join(facts, ", "))
	}
	if r.run.Parent != "" {
		p.line("- takes up again: %s", code(r.run.Parent, 60))
	}
	if len(r.run.Args) > 0 {
		p.line("- command: %s", code(strings.Join(r.run.Args, " "), 300))
	}
}

func (r *report) writeFailures(p *page) {
	if len(r.failures) == 0 {
		return
	}
	p.line("\n## Failures\n")
	list := slices.SortedFunc(maps.Values(r.failures), func(a, b *failure) int {
		return cmp.Or(cmp.Compare(b.final, a.final), cmp.Compare(b.other, a.other), cmp.Compare(a.first, b.first), cmp.Compare(a.print, b.print))
	})
	for _, f := range list[:min(len(list), topFailures)] {
		n := fmt.Sprintf("**%s×** ", count(f.final))
		switch {
		case f.final == 0:
			n = fmt.Sprintf("**%s×** before a retry, ", count(f.other))
		case f.other > 0:
			n += fmt.Sprintf("(and %s× before a retry) ", count(f.other))
		}
		text := ""
		if f.text != "" {
			text = " " + code(f.text, reportText)
		}
		when := "at " + brief(f.first)
		if f.last > f.first {
			when = fmt.Sprintf("from %s to %s", brief(f.first), brief(f.last))
		}
		p.line("- %s%s%s, %s; such as %s%s", n, prose(string(f.kind), 20), text, when, inputName(f.input, f.item), fingerprint(f.print))
	}
	r.more(p, len(list)-topFailures, "kind")
}

func fingerprint(print string) string {
	if print == "" {
		return ""
	}
	return "; fingerprint " + code(print, 40)
}

// more says that a list goes on.
func (r *report) more(p *page, n int, what string) {
	if n > 0 {
		p.line("- and %s more", plural(n, what))
	}
}

func inputName(n int, item string) string {
	name := "input " + strconv.Itoa(n)
	if item != "" {
		name += " " + code(item, reportText)
	}
	return name
}

// engineName names an engine in a table as well.
func engineName(e *record.Engine, number int) string {
	if e == nil {
		return "engine " + strconv.Itoa(number)
	}
	name := cell(cmp.Or(e.Name, e.Kind), "engine "+strconv.Itoa(number))
	if e.Limit > 0 {
		name += " ×" + strconv.Itoa(e.Limit)
	}
	return name
}

func (r *report) writeEngines(p *page) {
	if len(r.engines) == 0 {
		return
	}
	p.line("\n## Times\n")
	p.line("| engine | attempts | wall p50 | p90 | p99 | max | wait p50 | p90 | p99 | max | CPU of wall | busy |")
	p.line("|:--|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
	var lanes []string
	for _, number := range slices.Sorted(maps.Keys(r.engines)) {
		e, info := r.engines[number], r.engine(number)
		wait := "– | – | – | –"
		if e.wait.n > 0 {
			wait = spread(&e.wait)
		}
		cpu := "–"
		if e.cpuWall > 0 {
			cpu = percent(float64(e.cpu) / float64(e.cpuWall))
		}
		span := e.last - e.first
		limit := len(e.workers)
		if info != nil && info.Limit > 0 {
			limit = info.Limit
		}
		busy := "–"
		if span > 0 && limit > 0 {
			busy = percent(min(float64(e.busy)/(float64(span)*float64(limit)), 1))
		}
		p.line("| %s | %s | %s | %s | %s | %s |", engineName(info, number), count(e.attempts), spread(&e.wall), wait, cpu, busy)
		if line := e.lanes(span); line != "" {
			lanes = append(lanes, engineName(info, number)+": "+line)
		}
	}
	if len(lanes) > 0 {
		p.line("")
		for _, l := range lanes {
			p.line("- %s", l)
		}
	}
}

// lanes says how the work was spread over the workers.
func (e *engineReport) lanes(span time.Duration) string {
	if len(e.workers) < 2 || span <= 0 {
		return ""
	}
	var least, most int
	for _, w := range slices.Sorted(maps.Keys(e.workers)) {
		if least == 0 || e.workers[w] < e.workers[least] {
			least = w
		}
		if most == 0 || e.workers[w] > e.workers[most] {
			most = w
		}
	}
	part := func(w int) string { return percent(min(float64(e.workers[w])/float64(span), 1)) }
	return fmt.Sprintf("%s at work, the least busy %s (worker %d), the busiest %s (worker %d)",
		plural(len(e.workers), "worker"), part(least), least, part(most), most)
}

func spread(q *quantiles) string {
	return fmt.Sprintf("%s | %s | %s | %s", brief(q.at(0.5)), brief(q.at(0.9)), brief(q.at(0.99)), brief(q.max))
}

func (r *report) writeSlow(p *page) {
	if len(r.slow) == 0 {
		return
	}
	p.line("\n## Slowest\n")
	for _, s := range r.slow {
		extra := ""
		if s.span.CPU > 0 {
			extra += ", " + brief(s.span.CPU) + " of CPU"
		}
		if s.span.Attempt > 1 {
			extra += ", attempt " + strconv.Itoa(s.span.Attempt)
		}
		if !s.span.OK() {
			extra += ", " + prose(string(s.span.State), 20)
		}
		p.line("- %s: %s%s", brief(s.span.End-s.span.Start), inputName(s.span.Input, s.item), extra)
	}
}

func (r *report) writeAdvice(p *page) {
	if len(r.advice) == 0 {
		return
	}
	p.line("\n## Advice\n")
	for _, a := range r.advice[:min(len(r.advice), topAdvice)] {
		try := ""
		if a.Try != "" {
			try = "; try " + code(a.Try, 80)
		}
		p.line("- %s: %s%s", prose(a.Code, 40), prose(a.Text, 400), try)
	}
	r.more(p, len(r.advice)-topAdvice, "line")
}

// count writes a number with separators.
func count(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func plural(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return count(n) + " " + thing
}

func percent(part float64) string { return strconv.Itoa(int(100*part+0.5)) + " %" }

// brief writes a duration with three digits that matter.
func brief(d time.Duration) string {
	switch {
	case d >= time.Minute:
		return d.Round(time.Second).String()
	case d >= time.Second:
		return strconv.FormatFloat(d.Seconds(), 'f', 2, 64) + "s"
	case d >= time.Millisecond:
		return strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'f', 1, 64) + "ms"
	}
	return strconv.FormatInt(d.Microseconds(), 10) + "µs"
}
