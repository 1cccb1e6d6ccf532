package dashboard

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"
)

// changes are what has changed in a model since the last delta, beside what was added
// at the end of its lists.
type changes struct {
	on                                        bool // somebody takes deltas
	epoch, rows, lanes, tasks, marks, samples int
	engines                                   int
	touched                                   []int        // rows
	faults                                    map[int]bool // groups of errors
	moved                                     bool         // a worker went or came
}

func (c *changes) touch(row int) {
	if c.on && row < c.rows {
		c.touched = append(c.touched, row)
	}
}

func (c *changes) faulty(group int) {
	if c.on {
		if c.faults == nil {
			c.faults = make(map[int]bool)
		}
		c.faults[group] = true
	}
}

// settle says that whoever takes deltas knows the model as it is now.
func (m *Model) settle() {
	m.delta = changes{
		on: true, epoch: m.epoch, rows: m.rows.len(), lanes: len(m.lanes), tasks: len(m.tasks),
		marks: len(m.marks), samples: len(m.samples), engines: len(m.engines),
	}
}

// deltaHead is what a delta says beside spans and samples.
type deltaHead struct {
	Seq     uint64               `json:"seq"`
	Now     float64              `json:"now"`
	State   string               `json:"state"`
	Counts  counts               `json:"counts"`
	End     *endHead             `json:"end,omitempty"`
	Inputs  inputsHead           `json:"inputs"`
	Engines []engineHead         `json:"engines,omitempty"`
	Lanes   []laneHead           `json:"lanes,omitempty"`
	Downs   map[int][][2]float64 `json:"downs,omitempty"` // of lanes that were there before
	Tasks   []string             `json:"tasks,omitempty"`
	Errors  []faultHead          `json:"errors,omitempty"`
	Marks   []markHead           `json:"marks,omitempty"`
	Advice  []adviceHead         `json:"advice,omitempty"`
	Dropped int                  `json:"dropped,omitempty"`
}

// encodeDelta returns the changes since the last one as JSON, and settles. It reports
// false if rows have changed their places, so that only a snapshot can tell.
func (m *Model) encodeDelta(advise bool) ([]byte, bool) {
	d := m.delta
	defer m.settle()
	if d.epoch != m.epoch {
		return nil, false
	}
	h := deltaHead{
		Seq: m.seq, Now: m.now, State: m.state(), Counts: m.tally(), End: m.endHead(), Inputs: m.inputsHead(),
		Lanes: m.laneHeads(d.lanes), Tasks: m.tasks[d.tasks:], Marks: m.markHeads(d.marks), Dropped: m.dropped,
	}
	if len(m.engines) > d.engines {
		h.Engines = m.engineHeads()
	}
	if len(d.faults) > 0 {
		h.Errors = m.faultHeads(slices.Sorted(maps.Keys(d.faults)))
	}
	if advise {
		h.Advice = m.adviceHeads()
	}
	if d.moved {
		h.Downs = make(map[int][][2]float64)
		for i := range d.lanes {
			if downs := m.downs(&m.lanes[i]); downs != nil {
				h.Downs[i] = downs
			}
		}
	}
	b, err := json.Marshal(&h)
	if err != nil {
		return nil, false // the head has nothing that cannot be written, but a snapshot is always right
	}
	b = b[:len(b)-1]
	if d.samples < len(m.samples) {
		b = append(b, `,"samples":[`...)
		for i := d.samples; i < len(m.samples); i++ {
			l := &m.samples[i]
			for k, v := range [...]float64{us(l.Time), float64(l.Running), float64(l.Queued), l.CPU, known(float64(l.RSS)), float64(l.Done), float64(l.Failed)} {
				if k > 0 {
					b = append(b, ',')
				} else {
					b = append(b, '[')
				}
				b = appendNumber(b, v)
			}
			b = append(b, ']', ',')
		}
		b[len(b)-1] = ']'
	}
	slices.Sort(d.touched)
	which := slices.Compact(d.touched)
	for i := d.rows; i < m.rows.len(); i++ {
		which = append(which, i)
	}
	if len(which) > 0 {
		b = m.appendRows(b, which)
	}
	return append(b, '}'), true
}

// appendRows adds rows column by column.
func (m *Model) appendRows(b []byte, which []int) []byte {
	b = append(b, `,"spans":{"index":[`...)
	for _, i := range which {
		b = append(strconv.AppendInt(b, int64(i), 10), ',')
	}
	b[len(b)-1] = ']'
	column := func(name string, value func(i int) float64) {
		b = append(append(append(b, ',', '"'), name...), `":[`...)
		for _, i := range which {
			b = append(appendNumber(b, value(i)), ',')
		}
		b[len(b)-1] = ']'
	}
	r := &m.rows
	column("start", r.start.at)
	column("end", r.end.at)
	column("queued", r.queued.at)
	column("lane", func(i int) float64 { return float64(r.lane.at(i)) })
	column("task", func(i int) float64 { return float64(r.task.at(i)) })
	column("input", func(i int) float64 { return float64(r.input.at(i)) })
	column("attempt", func(i int) float64 { return float64(r.attempt.at(i)) })
	column("state", func(i int) float64 { return float64(r.state.at(i)) })
	column("error", func(i int) float64 { return float64(r.fault.at(i)) })
	column("cpu", func(i int) float64 { return float64(r.cpu.at(i)) })
	column("parked", func(i int) float64 { return float64(r.parked.at(i)) })
	column("rss", func(i int) float64 { return float64(r.rss.at(i)) })
	column("call", func(i int) float64 { return float64(r.call.at(i)) })
	return append(b, '}')
}

// appendNumber adds a number as JSON, in which what is not known is null.
func appendNumber(b []byte, v float64) []byte {
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return append(b, "null"...)
	case v == math.Trunc(v) && math.Abs(v) < 1<<53:
		return strconv.AppendInt(b, int64(v), 10)
	default:
		return strconv.AppendFloat(b, v, 'g', -1, 64)
	}
}
