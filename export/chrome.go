package export

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/go-braid/braid/record"
)

// Chrome writes the record that r reads to w as a trace in the JSON format of Chrome's
// trace viewer, which Perfetto (ui.perfetto.dev), Speedscope and others open.
//
// Each engine is a process of the trace and each of its workers a thread. What overlaps,
// as coroutines and commands do, is packed into as few threads as it needs. An attempt is
// a slice with the task's name; its state is the category, and the input, the error, the
// wait in the queue and the rest are arguments. If it is known how much CPU time the
// attempt took, the slice has it as its thread duration. A flow leads from where a call
// was submitted to its attempts, one after the other. Samples become counters; marks,
// deaths of workers and refused calls instants. An attempt of which the record does not
// tell the end, since the program was killed or still runs, lasts to the end of the record
// and has the category "unfinished".
//
// Events are in the order of time. To sort them Chrome keeps 64 MB in memory, and what is
// more in temporary files in [os.TempDir]. Inputs longer than 256 bytes and errors longer
// than 1 KiB are cut, with an ellipsis.
//
// Lines of the record that are broken are left out, and the error is the first of them, a
// *[record.SyntaxError], when all else is written. With any other error, which is one of
// the reader, of w or of a temporary file, what has been written is no trace.
func Chrome(w io.Writer, r *record.Reader) error { return chrome(w, r, sortMemory) }

func chrome(w io.Writer, r *record.Reader, memory int) error {
	c := &collector{account: newAccount(r), chains: make(map[uint64]*chain), sorter: sorter{memory: memory}}
	defer c.sorter.close()
	if err := c.collect(); err != nil {
		return err
	}
	t := newTrace(w, c.account)
	t.header()
	if err := c.sorter.each(t.write); err != nil {
		return err
	}
	if err := t.close(); err != nil {
		return err
	}
	return c.broken
}

// inputText is how much of an input a trace shows, in bytes.
const inputText = 256

// A collector makes the items of the trace from the record.
type collector struct {
	*account
	sorter sorter
	chains map[uint64]*chain // by call
	only   [1]attempt        // of a call that has no others
	flows  uint64
	before *record.Sample
	buf    []byte
}

// A chain is the attempts at a call of which not all have been told. A flow leads from one
// to the next, so all are kept until then.
type chain struct{ attempts []attempt }

// An attempt is a span with the text of its input.
type attempt struct {
	span record.Span
	item string
}

func (c *collector) collect() error {
	err := c.drain(c.line)
	if err != nil {
		return err
	}
	if err := c.account.unfinished(c.span); err != nil {
		return err
	}
	for _, ch := range sortedValues(c.chains) {
		if err := c.emit(ch); err != nil {
			return err
		}
	}
	return nil
}

func (c *collector) line(line record.Line) error {
	switch l := line.(type) {
	case *record.Span:
		return c.span(l)
	case *record.Worker:
		return c.worker(l)
	case *record.Sample:
		return c.sample(l)
	case *record.Mark:
		k := global
		if l.Engine > 0 {
			k = enginewide
		}
		f := c.fields().text("name", cmp.Or(l.Kind, "mark")).text("cat", "mark").open("args").text("text", l.Text)
		if l.About {
			f.integer("input", int64(l.Input))
		}
		return c.add(item{kind: k, at: µs(l.Time), engine: small(l.Engine)}, f.close())
	case *record.Advice:
		return c.add(item{kind: global, at: µs(l.Time)}, c.fields().text("name", "advice: "+l.Code).
			text("cat", "advice").open("args").text("text", l.Text).text("try", l.Try).close())
	case *record.Dropped:
		return c.add(item{kind: global, at: µs(l.Time)}, c.fields().text("name", "events lost").
			text("cat", "dropped").open("args").number("events", l.Events).text("why", l.Why).close())
	}
	return nil
}

// add hands an item to the sorter.
func (c *collector) add(it item, tail *fields) error {
	c.buf = tail.b
	it.at = max(it.at, 0)
	return c.sorter.add(it, tail.b)
}

func (c *collector) fields() *fields { return &fields{b: c.buf[:0]} }

// span deals with an attempt.
func (c *collector) span(s *record.Span) error {
	a := attempt{span: *s, item: cut(c.inputs[s.Input].Text, inputText)}
	if s.Last && s.Attempt <= 1 && c.chains[s.Call] == nil {
		c.only[0] = a
		return c.emit(&chain{attempts: c.only[:]})
	}
	ch := c.chains[s.Call]
	if ch == nil {
		ch = new(chain)
		c.chains[s.Call] = ch
	}
	ch.attempts = append(ch.attempts, a)
	if s.State == unfinished || !c.whole {
		return nil
	}
	delete(c.chains, s.Call)
	return c.emit(ch)
}

// emit makes the slices of a call's attempts.
func (c *collector) emit(ch *chain) error {
	list := ch.attempts
	slices.SortStableFunc(list, func(a, b attempt) int { return cmp.Compare(a.span.Attempt, b.span.Attempt) })
	var flow uint64
	for i := range list {
		a := &list[i]
		s := &a.span
		if s.State == record.StateRefused {
			if err := c.refused(a); err != nil {
				return err
			}
			continue
		}
		entry := i > 0 && leads(&list[i-1].span, s)
		if !entry {
			c.flows++
			flow = c.flows
			if s.Queued > 0 && s.Queued <= s.Start {
				it := item{kind: submission, at: µs(s.Queued), engine: small(s.Engine)}
				if entry = it.at < µs(s.Start); entry { // a flow must not begin where it ends
					it.flow, it.ends = flow, flowOut
				}
				if err := c.add(it, c.fields().text("name", nameOf(s)).text("cat", "submit")); err != nil {
					return err
				}
			}
		}
		var e ends
		if entry {
			e |= flowIn
		}
		if i+1 < len(list) && leads(s, &list[i+1].span) {
			e |= flowOut
		}
		var delay time.Duration
		if next := i + 1; next < len(list) && list[next].span.Attempt == s.Attempt+1 {
			delay = max(list[next].span.Queued-s.End, 0)
		}
		if err := c.attempt(a, delay, flow, e); err != nil {
			return err
		}
	}
	return nil
}

// leads reports whether b is the attempt after a, and begins later: a flow must not lead
// back.
func leads(a, b *record.Span) bool {
	return a.State != record.StateRefused && b.State != record.StateRefused &&
		b.Attempt == a.Attempt+1 && µs(b.Start) > µs(a.Start)
}

// attempt makes the slice of an attempt, after which there was a pause.
func (c *collector) attempt(a *attempt, delay time.Duration, flow uint64, e ends) error {
	s := &a.span
	it := item{
		kind: slice, at: µs(s.Start), dur: max(µs(s.End)-max(µs(s.Start), 0), 0),
		engine: small(s.Engine), worker: small(s.Worker), cpu: min(max(µs(s.CPU), 0), 1<<50), ends: e,
	}
	if e != 0 {
		it.flow = flow
	}
	f := c.fields().text("name", nameOf(s)).text("cat", string(s.State)).open("args")
	f.text("item", a.item).integer("input", int64(s.Input)).number("call", int64(s.Call)).number("attempt", int64(s.Attempt))
	if s.Queued > 0 && s.Queued <= s.Start {
		f.number("queue_us", µs(s.Start)-µs(s.Queued))
	}
	f.number("parked_us", µs(s.Parked)).number("rss_bytes", s.RSS).number("pid", int64(s.PID))
	f.number("exit", int64(s.Exit)).text("signal", s.Signal).number("stdout_bytes", s.Out).number("stderr_bytes", s.ErrOut)
	if s.Err != 0 {
		e := c.errors[s.Err]
		f.text("error", e.Text).text("error_kind", string(e.Kind)).text("fingerprint", e.Print)
	}
	f.number("retry_after_us", µs(delay))
	return c.add(it, f.close())
}

// refused makes the mark of a call that never ran.
func (c *collector) refused(a *attempt) error {
	s := &a.span
	return c.add(item{kind: refusal, at: µs(s.End), engine: small(s.Engine)},
		c.fields().text("name", nameOf(s)).text("cat", string(s.State)).open("args").
			text("item", a.item).integer("input", int64(s.Input)).
			number("call", int64(s.Call)).text("error", c.errors[s.Err].Text).close())
}

func (c *collector) worker(l *record.Worker) error {
	name, cat := "worker stopped", "worker"
	switch {
	case l.Up:
		name = "worker started"
	case l.Err != 0:
		name, cat = "worker died", "crash"
	}
	return c.add(item{kind: instant, at: µs(l.Time), engine: small(l.Engine), worker: small(l.Number)},
		c.fields().text("name", name).text("cat", cat).open("args").number("pid", int64(l.PID)).text("error", c.errors[l.Err].Text).close())
}

func (c *collector) sample(l *record.Sample) error {
	put := func(name string, args *fields) error {
		return c.add(item{kind: counter, at: µs(l.Time)}, args.text("name", name))
	}
	f := func() *fields { return c.fields().open("args") }
	if err := put("tasks", f().integer("running", int64(l.Running)).integer("queued", int64(l.Queued)).close()); err != nil {
		return err
	}
	// Perfetto misreads numbers of more than 19 digits, with the zeros at their front.
	if err := put("processors", f().float("in use", math.Round(1000*l.CPU)/1000).close()); err != nil {
		return err
	}
	if err := put("memory", f().integer("bytes", int64(l.RSS)).close()); err != nil {
		return err
	}
	before := c.before
	if before == nil {
		before = new(record.Sample)
	}
	sample := *l
	c.before = &sample
	if l.Time <= before.Time {
		return nil
	}
	rate := func(now, then int) float64 {
		return math.Round(10*float64(max(now-then, 0))/(l.Time-before.Time).Seconds()) / 10
	}
	return put("tasks a second", f().float("done", rate(l.Done, before.Done)).float("failed", rate(l.Failed, before.Failed)).close())
}

func nameOf(s *record.Span) string { return cmp.Or(s.Task, "task") }

// small returns the number of an engine or a worker, of which nonsense is none.
func small(n int) int32 {
	if n < 0 || n > math.MaxInt32 {
		return 0
	}
	return int32(n)
}

// µs returns a duration in microseconds.
func µs(d time.Duration) int64 { return d.Microseconds() }

// A trace writes items as events.
type trace struct {
	*account
	w       *bufio.Writer
	b       []byte
	events  int
	pids    map[int32]int // of engines
	submits map[int32]*track
	workers map[[2]int32]*workerTracks
	packed  map[int32]*packer
	packs   map[int32]bool
	tracks  int
}

// runPID is the process of the trace that stands for the run as a whole. Zero would be
// taken for the kernel's idle process.
const runPID = 1

func newTrace(w io.Writer, a *account) *trace {
	t := &trace{
		account: a, w: bufio.NewWriterSize(w, 1<<16),
		pids: make(map[int32]int), submits: make(map[int32]*track),
		workers: make(map[[2]int32]*workerTracks), packed: make(map[int32]*packer), packs: make(map[int32]bool),
		tracks: 10_000,
	}
	for _, e := range a.engines {
		t.packs[small(e.Number)] = e.Kind == "async" || e.Kind == "exec"
	}
	return t
}

// header begins the file.
func (t *trace) header() {
	f := (&fields{}).text("displayTimeUnit", "ms").open("otherData")
	f.text("run", t.run.ID).text("name", t.run.Name).text("task", t.run.Task)
	if len(t.run.Args) > 0 {
		f.list("args", t.run.Args)
	}
	if !t.run.Wall.IsZero() {
		f.text("wall", t.run.Wall.Format(time.RFC3339Nano))
	}
	f.text("braid", t.run.Braid).text("go", t.run.Go).text("os", t.run.OS).text("arch", t.run.Arch).text("host", t.run.Host)
	f.number("pid", int64(t.run.PID)).number("cpus", int64(t.run.CPUs)).text("parent", t.run.Parent)
	if t.end != nil {
		f.text("verdict", t.end.Verdict)
	} else {
		f.text("verdict", "unfinished")
	}
	f.number("events_lost", t.dropped).number("lines_broken", int64(t.lost))
	f.close()
	t.w.WriteByte('{')
	t.w.Write(f.b)
	t.w.WriteString(`,"traceEvents":[`)
	name := "braid"
	if n := cmp.Or(t.run.Name, t.run.Task); n != "" {
		name += ": " + n
	}
	t.process(runPID, name, 0)
}

func (t *trace) close() error {
	t.w.WriteString("\n]}\n")
	return t.w.Flush()
}

// event writes an event: the fields that it begins with, and those in rest.
func (t *trace) event(head *fields, rest []byte) {
	if t.events > 0 {
		t.w.WriteByte(',')
	}
	t.events++
	t.w.WriteString("\n{")
	t.w.Write(head.b)
	if len(rest) > 0 {
		t.w.WriteByte(',')
		t.w.Write(rest)
	}
	t.w.WriteByte('}')
	t.b = head.b
}

// begin returns the first fields of an event.
func (t *trace) begin(ph string) *fields { return (&fields{b: t.b[:0]}).text("ph", ph) }

func (t *trace) process(pid int, name string, order int) {
	t.event(t.begin("M").integer("pid", int64(pid)).text("name", "process_name").open("args").text("name", name).close(), nil)
	t.event(t.begin("M").integer("pid", int64(pid)).text("name", "process_sort_index").open("args").integer("sort_index", int64(order)).close(), nil)
}

// pid returns the process of an engine.
func (t *trace) pid(engine int32) int {
	pid, ok := t.pids[engine]
	if ok {
		return pid
	}
	pid = runPID + 1 + len(t.pids)
	t.pids[engine] = pid
	name := "engine " + strconv.Itoa(int(engine))
	if e := t.engine(int(engine)); e != nil {
		name = cmp.Or(e.Name, e.Kind, name)
		if e.Limit > 0 {
			name += " ×" + strconv.Itoa(e.Limit)
		}
	}
	t.process(pid, name, pid)
	return pid
}

// open makes a track. The numbers of threads are unique among all processes: viewers
// that know threads by their number alone keep them apart.
func (t *trace) open(engine int32, name string, order int) *track {
	pid := t.pid(engine)
	t.tracks++
	t.event(t.begin("M").integer("pid", int64(pid)).integer("tid", int64(t.tracks)).text("name", "thread_name").open("args").text("name", name).close(), nil)
	t.event(t.begin("M").integer("pid", int64(pid)).integer("tid", int64(t.tracks)).text("name", "thread_sort_index").open("args").integer("sort_index", int64(order)).close(), nil)
	return &track{id: t.tracks}
}

// workerOrder is the place of a worker's track among those of its engine.
func workerOrder(worker int32, nth int) int { return 1 + min(int(worker), 1<<24)*8 + min(nth, 8) - 1 }

// place finds the track for an attempt.
func (t *trace) place(it *item) *track {
	if it.worker == 0 || t.packs[it.engine] {
		p := t.packed[it.engine]
		if p == nil {
			p = new(packer)
			t.packed[it.engine] = p
		}
		return p.place(it, func(nth int) *track {
			return t.open(it.engine, "slot "+strconv.Itoa(nth), workerOrder(int32(nth), 1))
		})
	}
	return t.worker(it).place(it, func(nth int) *track { return t.openWorker(it, nth) })
}

func (t *trace) worker(it *item) *workerTracks {
	key := [2]int32{it.engine, it.worker}
	w := t.workers[key]
	if w == nil {
		w = new(workerTracks)
		t.workers[key] = w
	}
	return w
}

func (t *trace) openWorker(it *item, nth int) *track {
	name := "worker " + strconv.Itoa(int(it.worker))
	if nth > 1 {
		name += fmt.Sprintf(" (%d)", nth)
	}
	return t.open(it.engine, name, workerOrder(it.worker, nth))
}

// queue returns the track on which calls are submitted to an engine.
func (t *trace) queue(engine int32) *track {
	if t.submits[engine] == nil {
		t.submits[engine] = t.open(engine, "submitted", 0)
	}
	return t.submits[engine]
}

// write writes the events of an item.
func (t *trace) write(it item) error {
	switch it.kind {
	case submission:
		t.slice(&it, t.queue(it.engine))
	case refusal:
		t.put("i", &it, t.queue(it.engine), "t")
	case slice:
		t.slice(&it, t.place(&it))
	case instant:
		if it.worker == 0 || t.packs[it.engine] {
			t.put("i", &it, nil, "p")
			break
		}
		t.put("i", &it, t.worker(&it).first(func() *track { return t.openWorker(&it, 1) }), "t")
	case enginewide:
		t.put("i", &it, nil, "p")
	case global:
		t.put("i", &it, nil, "g")
	case counter:
		t.put("C", &it, nil, "")
	}
	_, err := t.w.Write(nil) // that of an earlier write
	return err
}

// put writes an event that is a point in time, on a track if it has one.
func (t *trace) put(ph string, it *item, on *track, scope string) {
	pid := runPID
	if it.kind != global && it.kind != counter {
		pid = t.pid(it.engine)
	}
	f := t.begin(ph).integer("pid", int64(pid))
	if on != nil {
		f.integer("tid", int64(on.id))
	}
	f.integer("ts", it.at)
	if scope != "" {
		f.text("s", scope)
	}
	t.event(f, it.tail)
}

// slice writes a slice with the ends of its arrows. They could be events of their own, and
// would then go to the innermost slice on the track at their time: to the wrong one, where
// two begin in the same microsecond.
func (t *trace) slice(it *item, on *track) {
	pid := t.pid(it.engine)
	f := t.begin("X").integer("pid", int64(pid)).integer("tid", int64(on.id)).integer("ts", it.at).integer("dur", it.dur)
	if it.cpu > 0 {
		f.integer("tts", on.begun).integer("tdur", it.cpu)
	}
	if it.ends != 0 {
		f.text("bind_id", "0x"+strconv.FormatUint(it.flow, 16))
	}
	if it.ends&flowIn != 0 {
		f.yes("flow_in")
	}
	if it.ends&flowOut != 0 {
		f.yes("flow_out")
	}
	t.event(f, it.tail)
}
