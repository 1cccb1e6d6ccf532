package dashboard

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/go-braid/braid/record"
)

// What a model keeps at most. Whatever finds no room is counted, and the page,
// the file and the terminal say so.
const (
	maxSpans   = 2_000_000 // attempts that are shown one by one
	maxFaults  = 2_000     // kinds of errors
	maxMarks   = 10_000
	maxSamples = 1 << 16
	maxTasks   = 1<<16 - 1
	maxDetails = 100_000  // failed attempts whose error and output are kept
	inputText  = 64 << 20 // bytes of the inputs
	faultText  = 16 << 20 // bytes of errors and output
	longest    = 32
)

// A Model is the state of a run, as far as its log has been read: who ran what
// and when, what failed, and what there is to say about it. It is what the page,
// the file of [Model.WriteHTML] and [Model.Draw] show.
//
// A line of the log takes constant time, but for the lanes of an event loop,
// which are found in a tree. An attempt takes 61 bytes and the text of its input;
// a run of a million attempts takes about 100 MB. Up to 2,000,000 attempts are
// kept. When there are more, the oldest half of those that went well at once is
// let go, except for the longest, and whoever looks is told how many are shown of
// how many. Counts, errors and advice are always about all. The texts of inputs
// have 64 MiB, those of errors and output 16 MiB.
//
// The zero Model is not ready for use: see [NewModel] and [Load]. A Model must
// not be used by several goroutines at once.
type Model struct {
	run     record.Run
	end     *record.End
	died    bool    // there will be no end
	watched bool    // somebody finds out whether it is over
	over    bool    // nobody writes the log any more
	broken  int     // lines that could not be read
	now     float64 // the latest time in the log, in µs
	seq     uint64  // lines folded in
	epoch   int     // how often rows have changed their places
	sorted  bool    // the rows, by start
	ordered bool    // rows and lanes, and nothing was added since
	engines []record.Engine
	engine  map[int]int // index by number
	tasks   []string
	task    map[string]uint16
	lanes   []lane
	strips  map[stripKey]*strip

	rows     rows
	capacity int
	shed     int                // attempts that are not in rows any more
	open     map[attemptKey]int // the row of each call that is known to run
	running  int                // rows that run

	inputs    int // how many were read
	input     numbered[textRef]
	inputText texts

	faults    []fault
	prints    map[string]int // index by fingerprint
	errors    numbered[problem]
	faultText texts
	details   map[attemptKey]detail
	lost      int // details that found no room

	marks     []mark
	lostMarks int
	samples   []record.Sample
	stride    int // one of so many samples is kept
	skipped   int // since the last that was kept
	advised   []record.Advice
	dropped   int
	why       string // why events were dropped

	counts counts
	stats  stats
	delta  changes
}

// counts say what became of the calls. They exclude one another.
type counts struct {
	OK      int `json:"ok"`      // at the first attempt
	Retried int `json:"retried"` // at a later one
	Failed  int `json:"failed"`
	Running int `json:"running"`
	Queued  int `json:"queued"`
	Stopped int `json:"stopped"` // cancelled while they ran
	Skipped int `json:"skipped"` // never run
}

func (c *counts) ended() int { return c.OK + c.Retried + c.Failed + c.Stopped + c.Skipped }

// A fault is a group of errors with one fingerprint.
type fault struct {
	kind, print, text, stack string
	count                    int
	first, last              float64
	sample                   int // a row, or -1
}

// A problem is one error of the log: its group, and its own text if that is
// another than the group's.
type problem struct {
	group int32 // from 1; 0 is none
	text  textRef
	stack textRef
}

type attemptKey struct {
	call    uint32
	attempt uint16
}

func keyOf(call uint64, n int) attemptKey { return attemptKey{uint32(call), attempt(n)} }

// A detail is what is kept of an attempt that failed, beside its row.
type detail struct {
	err            int // number of its error in the log
	exit, pid      int
	signal         string
	stdout, stderr textRef // at least their ends
	out, errOut    int64   // how much it wrote, in bytes; 0 if that is not known
}

type mark struct {
	t          float64
	kind, text string
}

// NewModel returns the model of a run of which nothing is known yet.
func NewModel() *Model {
	return &Model{
		engine:    make(map[int]int),
		task:      make(map[string]uint16),
		strips:    make(map[stripKey]*strip),
		open:      make(map[attemptKey]int),
		prints:    make(map[string]int),
		details:   make(map[attemptKey]detail),
		capacity:  maxSpans,
		stride:    1,
		sorted:    true,
		inputText: texts{limit: inputText},
		faultText: texts{limit: faultText},
	}
}

// us returns a time of the log in microseconds.
func us(d time.Duration) float64 { return float64(d / time.Microsecond) }

// known returns v, or NaN for zero, which the log leaves out.
func known(v float64) float64 {
	if v == 0 {
		return nan
	}
	return v
}

// Add folds in one line of the log, as [record.Reader.Next] returns it. Lines
// come in the order of the log. It does not keep the line, and it never fails: a
// line that does not fit the others is taken for what it says.
func (m *Model) Add(line record.Line) {
	m.seq++
	m.end = nil // the run has gone on
	m.ordered = false
	switch l := line.(type) {
	case *record.Run:
		m.run = *l
	case *record.Engine:
		m.addEngine(l)
	case *record.Input:
		m.inputs++
		if l.Text != "" {
			m.input.set(l.Number, m.inputText.add(l.Text, l.Cut))
		}
	case *record.Start:
		m.addStart(l)
	case *record.Span:
		m.addSpan(l)
	case *record.Error:
		m.addError(l)
	case *record.Retry:
		m.pass(us(l.Time))
		m.stats.retries++
		if i, ok := m.open[keyOf(l.Call, l.Attempt)]; ok {
			m.followed(i)
		}
	case *record.Output:
		m.addOutput(l)
	case *record.Worker:
		m.addWorker(l)
	case *record.Sample:
		m.addSample(l)
	case *record.Mark:
		m.addMark(mark{us(l.Time), l.Kind, l.Text})
	case *record.Advice:
		m.pass(us(l.Time))
		m.advised = append(m.advised[:min(len(m.advised), 100)], *l)
	case *record.Dropped:
		m.pass(us(l.Time))
		m.dropped += int(l.Events)
		m.why = l.Why
	case *record.End:
		m.pass(us(l.Time))
		end := *l
		m.end = &end
	}
}

// pass moves the clock on.
func (m *Model) pass(t float64) { m.now = max(m.now, t) }

func (m *Model) addEngine(l *record.Engine) {
	m.pass(us(l.Time))
	if i, ok := m.engine[l.Number]; ok {
		m.engines[i] = *l
		return
	}
	m.engine[l.Number] = len(m.engines)
	m.engines = append(m.engines, *l)
	m.stats.engines = append(m.stats.engines, engineStats{})
}

// engineIndex returns the index of the engine with number n. A log that lost the
// line of an engine still has its spans.
func (m *Model) engineIndex(n int) int {
	i, ok := m.engine[n]
	if !ok {
		m.addEngine(&record.Engine{Number: n, Name: "engine " + strconv.Itoa(n)})
		i = m.engine[n]
	}
	return i
}

func (m *Model) taskIndex(name string) uint16 {
	if i, ok := m.task[name]; ok {
		return i
	}
	if len(m.tasks) == maxTasks {
		name = "others"
		m.tasks = append(m.tasks, name)
	}
	if len(m.tasks) > maxTasks {
		return maxTasks
	}
	i := uint16(len(m.tasks))
	m.task[name] = i
	m.tasks = append(m.tasks, name)
	return i
}

// addRow adds a row.
func (m *Model) addRow(r row) int {
	if n := m.rows.len(); n > 0 && m.sorted && r.start < m.rows.start.at(n-1) {
		m.sorted = false
	}
	if m.rows.len() >= m.capacity {
		m.compact()
	}
	return m.rows.add(r)
}

// followed says that a later attempt follows that of row i.
func (m *Model) followed(i int) {
	if s := m.rows.state.at(i); s&stateRetried == 0 && s != stateRunning {
		m.rows.state.set(i, s|stateRetried)
		m.delta.touch(i)
	}
}

func (m *Model) addStart(l *record.Start) {
	t := us(l.Start)
	m.pass(t)
	engine := m.engineIndex(l.Engine)
	lane := m.place(engine, l.Worker, t, nan)
	if l.PID != 0 {
		m.lanes[lane].pid = l.PID
	}
	m.open[keyOf(l.Call, l.Attempt)] = m.addRow(row{
		start: t, end: nan, queued: known(us(l.Queued)), cpu: nan32, rss: nan32,
		lane: lane, input: uint32(l.Input), call: uint32(l.Call), fault: -1,
		task: m.taskIndex(l.Task), attempt: attempt(l.Attempt), state: stateRunning,
	})
	m.running++
}

// attempt returns the number of an attempt as a row has it.
func attempt(n int) uint16 { return uint16(min(max(n, 1), math.MaxUint16)) }

func (m *Model) addSpan(l *record.Span) {
	start, end := us(l.Start), us(l.End)
	m.pass(end)
	state := spanState(l.State)
	r := row{
		start: start, end: end, queued: known(us(l.Queued)),
		cpu: float32(known(us(l.CPU))), parked: float32(us(l.Parked)), rss: float32(known(float64(l.RSS))),
		input: uint32(l.Input), call: uint32(l.Call), fault: -1,
		task: m.taskIndex(l.Task), attempt: attempt(l.Attempt), state: state,
	}
	// The log has the lines of one worker after those of another, so a later attempt may
	// have begun already.
	key := keyOf(l.Call, l.Attempt)
	i, began := m.open[key]
	delete(m.open, key)
	switch {
	case began:
		r.lane = m.rows.lane.at(i)
		m.release(r.lane, end)
		m.rows.set(i, r)
		m.delta.touch(i)
		m.running--
	case state == stateRefused:
		r.lane = m.anyLane(m.engineIndex(l.Engine), start)
		i = m.addRow(r)
	default:
		r.lane = m.place(m.engineIndex(l.Engine), l.Worker, start, end)
		i = m.addRow(r)
	}
	if l.Last {
		m.counts.add(state, r.attempt)
	} else {
		m.followed(i)
	}
	if l.PID != 0 {
		m.lanes[r.lane].pid = l.PID
	}
	if broken(state) || l.Err != 0 {
		m.addFailure(i, l)
	}
	m.stats.add(m, &r)
}

// add counts a call that ended.
func (c *counts) add(state uint8, attempt uint16) {
	switch {
	case state == stateOK && attempt > 1:
		c.Retried++
	case state == stateOK:
		c.OK++
	case state == stateCancelled:
		c.Stopped++
	case state == stateRefused:
		c.Skipped++
	default:
		c.Failed++
	}
}

func spanState(s record.State) uint8 {
	if i := slices.Index(stateNames[:], string(s)); i >= 0 && uint8(i) != stateRunning {
		return uint8(i)
	}
	return stateError
}

// addFailure notes the error of the span in row i.
func (m *Model) addFailure(i int, l *record.Span) {
	group := int32(-1)
	if p := m.errors.get(l.Err); p.group > 0 {
		group = p.group - 1
	} else {
		group = m.group(string(l.State), string(l.State), string(l.State), "")
	}
	f := &m.faults[group]
	at := us(l.End)
	if f.count == 0 {
		f.first = at
	}
	f.count++
	f.first, f.last = min(f.first, at), max(f.last, at)
	if f.sample < 0 {
		f.sample = i
	}
	m.delta.faulty(int(group))
	m.rows.fault.set(i, group)

	m.detail(l.Call, l.Attempt, func(d *detail) {
		d.err, d.exit, d.pid, d.signal = l.Err, l.Exit, l.PID, l.Signal
		d.out, d.errOut = l.Out, l.ErrOut
	})
}

// detail changes what is kept of an attempt, if there is room.
func (m *Model) detail(call uint64, n int, change func(*detail)) {
	key := keyOf(call, n)
	d, ok := m.details[key]
	if !ok && len(m.details) >= maxDetails {
		m.lost++
		return
	}
	change(&d)
	m.details[key] = d
}

func (m *Model) addError(l *record.Error) {
	print := l.Print
	if print == "" {
		print = string(l.Kind) + ": " + l.Text
	}
	group := m.group(string(l.Kind), print, l.Text, l.Stack)
	p := problem{group: group + 1}
	if f := &m.faults[group]; l.Text != f.text {
		p.text = m.faultText.add(l.Text, false)
	}
	if f := &m.faults[group]; l.Stack != f.stack {
		p.stack = m.faultText.add(l.Stack, false)
	}
	m.errors.set(l.Number, p)
}

// group returns the index of the group of errors with a fingerprint.
func (m *Model) group(kind, print, text, stack string) int32 {
	if i, ok := m.prints[print]; ok {
		return int32(i)
	}
	if len(m.faults) >= maxFaults {
		kind, print, text, stack = "others", "", "further kinds of errors, which are in the log", ""
		if i, ok := m.prints[print]; ok {
			return int32(i)
		}
	}
	if m.faultText.used += len(text) + len(stack); m.faultText.used > m.faultText.limit {
		text, stack = text[:min(len(text), 200)], ""
	}
	i := len(m.faults)
	m.prints[print] = i
	m.faults = append(m.faults, fault{kind: kind, print: print, text: text, stack: stack, sample: -1})
	m.delta.faulty(i)
	return int32(i)
}

func (m *Model) addOutput(l *record.Output) {
	m.pass(us(l.Time))
	m.detail(l.Call, l.Attempt, func(d *detail) {
		if l.Stdout != "" {
			d.stdout = m.faultText.add(l.Stdout, l.Cut)
		}
		if l.Stderr != "" {
			d.stderr = m.faultText.add(l.Stderr, l.Cut)
		}
	})
}

func (m *Model) addWorker(l *record.Worker) {
	t := us(l.Time)
	m.pass(t)
	s := m.strips[stripKey{m.engineIndex(l.Engine), l.Number}]
	if s == nil {
		return // it has done nothing, and so has no lane
	}
	lane := &m.lanes[s.lanes[0]]
	last := len(lane.downs) - 1
	away := last >= 0 && math.IsNaN(lane.downs[last][1])
	switch {
	case l.Up && away:
		lane.downs[last][1] = t
	case !l.Up && !away:
		lane.downs = append(lane.downs, [2]float64{t, nan})
		if l.Err != 0 {
			m.stats.deaths++
		}
	default:
		return
	}
	if l.Up {
		lane.pid = l.PID
	}
	m.delta.moved = true
}

func (m *Model) addSample(l *record.Sample) {
	m.pass(us(l.Time))
	m.stats.sample(l)
	if m.skipped++; m.skipped < m.stride {
		return
	}
	m.skipped = 0
	m.samples = append(m.samples, *l)
	if len(m.samples) < maxSamples {
		return
	}
	m.stride *= 2
	for i := range len(m.samples) / 2 {
		m.samples[i] = m.samples[2*i]
	}
	m.samples = m.samples[:len(m.samples)/2]
	m.epoch++
}

func (m *Model) addMark(k mark) {
	m.pass(k.t)
	m.stats.mark(k)
	if len(m.marks) == maxMarks {
		m.lostMarks++
		return
	}
	m.marks = append(m.marks, k)
}

// sort orders the rows by their start, and the lanes by engine and worker, which gives
// them other places.
func (m *Model) sort() {
	if m.ordered {
		return
	}
	if !m.sorted {
		m.take(m.byStart())
		m.sorted = true
	}
	if m.shed == 0 {
		for _, s := range m.strips {
			if len(s.lanes) > 1 {
				m.repack()
				break
			}
		}
	}
	m.sortLanes()
	m.ordered = true
	m.epoch++
	m.seq++ // so that nobody takes the old places for the new
}

// byStart returns the rows in the order of their start.
func (m *Model) byStart() []uint32 {
	order := make([]uint32, m.rows.len())
	keys := make([]float64, m.rows.len())
	for i := range order {
		order[i] = uint32(i)
		keys[i] = m.rows.start.at(i)
	}
	// The log has spans as they end, so most of them are near their places, and
	// moving each to where it belongs is cheapest. But not always.
	moves := 0
	for i := 1; i < len(order); i++ {
		o := order[i]
		k := keys[o]
		j := i
		for ; j > 0 && keys[order[j-1]] > k; j-- {
			order[j] = order[j-1]
		}
		order[j] = o
		if moves += i - j; moves > 32*len(order) {
			slices.SortFunc(order, func(a, b uint32) int {
				return cmp.Or(cmp.Compare(keys[a], keys[b]), cmp.Compare(a, b))
			})
			break
		}
	}
	return order
}

// compact lets go of the oldest rows that tell least, so that half of the room is
// free.
func (m *Model) compact() {
	n := m.rows.len()
	spare := n - m.capacity/2
	bar := m.stats.longest.least()
	telling := func(i int) bool {
		s := m.rows.state.at(i)
		return s != stateOK || m.rows.attempt.at(i) > 1 || m.rows.end.at(i)-m.rows.start.at(i) >= bar
	}
	keep := make([]uint32, 0, n)
	for i := range n {
		if spare > 0 && !telling(i) {
			spare--
			continue
		}
		keep = append(keep, uint32(i))
	}
	if spare > 0 { // all tell something
		rest := keep[:0]
		for _, i := range keep {
			if spare > 0 && m.rows.state.at(int(i)) != stateRunning {
				spare--
				continue
			}
			rest = append(rest, i)
		}
		keep = rest
	}
	m.take(keep)
	m.shed += n - len(keep)
}

// take leaves the rows of order, in that order, and finds again what points at
// rows.
func (m *Model) take(order []uint32) {
	const gone = math.MaxUint32
	place := make([]uint32, m.rows.len())
	for i := range place {
		place[i] = gone
	}
	for i, o := range order {
		place[o] = uint32(i)
	}
	m.rows.take(order)
	for key, i := range m.open {
		if place[i] == gone {
			delete(m.open, key)
		} else {
			m.open[key] = int(place[i])
		}
	}
	for i := range m.faults {
		if f := &m.faults[i]; f.sample >= 0 {
			f.sample = int(int32(place[f.sample])) // gone is -1
		}
	}
	m.epoch++
}

// tally returns the counts as they are now.
func (m *Model) tally() counts {
	c := m.counts
	c.Running = m.running
	if m.end != nil {
		// The run knows best: not all of its inputs need have become calls.
		if m.end.Total > 0 {
			c.OK = max(m.end.OK-c.Retried, 0)
			c.Failed, c.Stopped, c.Skipped = m.end.Failed, m.end.Stopped, m.end.Skipped
		}
		return c
	}
	if n := len(m.samples); n > 0 && !m.died {
		s := &m.samples[n-1]
		c.Queued = s.Queued
		c.Running = max(c.Running, s.Running)
	}
	if m.inputs > 0 {
		c.Queued = max(0, m.inputs-c.ended()-c.Running)
	}
	return c
}

// state says what became of the run.
func (m *Model) state() string {
	switch {
	case m.end != nil && (m.over || !m.watched):
		return "ended"
	case m.died:
		return "died"
	default:
		return "running"
	}
}
