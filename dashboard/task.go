package dashboard

import (
	"strconv"
	"strings"
)

// taskHead is what is known of an attempt beyond its columns.
type taskHead struct {
	Input    *string    `json:"input,omitempty"`
	Cut      bool       `json:"cut,omitempty"`
	Attempts []int      `json:"attempts"`
	Error    *errorHead `json:"error,omitempty"`
	Stdout   string     `json:"stdout,omitempty"`
	Stderr   string     `json:"stderr,omitempty"`
	Out      int64      `json:"stdout_bytes,omitempty"` // of all that it wrote
	ErrOut   int64      `json:"stderr_bytes,omitempty"`
	Exit     *int       `json:"exit,omitempty"`
	Signal   string     `json:"signal,omitempty"`
	PID      int        `json:"pid,omitempty"`
}

type errorHead struct {
	Text  string `json:"text"`
	Stack string `json:"stack,omitempty"`
}

// describe returns what is known of the attempt in row i.
func (m *Model) describe(i int) *taskHead {
	r := m.rows.at(i)
	h := &taskHead{Attempts: []int{i}}
	if r.attempt > 1 || r.state&stateRetried != 0 {
		h.Attempts = h.Attempts[:0]
		for k := range m.rows.len() {
			if m.rows.call.at(k) == r.call {
				h.Attempts = append(h.Attempts, k)
			}
		}
	}
	if text, cut, ok := m.inputText.get(m.input.get(int(r.input))); ok {
		h.Input, h.Cut = &text, cut
	}
	m.describeFailure(h, &r)
	return h
}

// describeFailure adds why an attempt failed.
func (m *Model) describeFailure(h *taskHead, r *row) {
	d, ok := m.details[attemptKey{r.call, r.attempt}]
	if ok {
		h.Stdout, _, _ = m.faultText.get(d.stdout)
		h.Stderr, _, _ = m.faultText.get(d.stderr)
		h.Signal, h.PID, h.Out, h.ErrOut = d.signal, d.pid, d.out, d.errOut
		if d.exit != 0 {
			h.Exit = &d.exit
		}
	}
	if r.fault < 0 {
		return
	}
	f := &m.faults[r.fault]
	h.Error = &errorHead{f.text, f.stack}
	p := m.errors.get(d.err)
	if text, _, own := m.faultText.get(p.text); own {
		h.Error.Text = text
	}
	if stack, _, own := m.faultText.get(p.stack); own {
		h.Error.Stack = stack
	}
}

// failures returns what is known of the attempts that failed, by row, up to a number of
// bytes.
func (m *Model) failures(limit int) (all map[string]*taskHead, omitted int) {
	all = make(map[string]*taskHead)
	calls := make(map[uint32][]int) // of calls with several attempts
	for i := range m.rows.len() {
		if m.rows.attempt.at(i) > 1 || m.rows.state.at(i)&stateRetried != 0 {
			calls[m.rows.call.at(i)] = append(calls[m.rows.call.at(i)], i)
		}
	}
	for i := range m.rows.len() {
		if m.rows.fault.at(i) < 0 && !broken(m.rows.state.at(i)) {
			continue
		}
		if limit < 0 {
			omitted++
			continue
		}
		r := m.rows.at(i)
		h := &taskHead{Attempts: calls[r.call]}
		if h.Attempts == nil {
			h.Attempts = []int{i}
		}
		if text, cut, ok := m.inputText.get(m.input.get(int(r.input))); ok {
			h.Input, h.Cut = &text, cut
			limit -= len(text)
		}
		m.describeFailure(h, &r)
		limit -= 64 + len(h.Stdout) + len(h.Stderr)
		if h.Error != nil {
			// The page has the group's text already.
			if f := &m.faults[r.fault]; h.Error.Text == f.text && h.Error.Stack == f.stack {
				h.Error = nil
			} else {
				limit -= len(h.Error.Text) + len(h.Error.Stack)
			}
		}
		all[strconv.Itoa(i)] = h
	}
	return all, omitted
}

// foundHead is what a search finds.
type foundHead struct {
	Inputs []int `json:"inputs"`
	More   bool  `json:"more"`
}

// maxFound is how many inputs a search finds.
const maxFound = 100_000

// find returns the inputs whose text contains q, in whatever case.
func (m *Model) find(q string, most int) foundHead {
	found := foundHead{Inputs: []int{}}
	q = strings.ToLower(q)
	look := func(input int, r textRef) {
		if text, _, ok := m.inputText.get(r); ok && !found.More && strings.Contains(strings.ToLower(text), q) {
			if found.More = len(found.Inputs) == most; !found.More {
				found.Inputs = append(found.Inputs, input)
			}
		}
	}
	for i := range m.input.dense.len() {
		look(i, m.input.dense.at(i))
	}
	for i, r := range m.input.far {
		look(i, r)
	}
	return found
}
