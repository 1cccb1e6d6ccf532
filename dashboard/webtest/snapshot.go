package webtest

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math"
)

// A Run is what a snapshot holds: one element a span in every slice.
type Run struct {
	Head map[string]any // without "spans" and "columns"

	Start, End, Queued   []float64 // µs; an End of NaN runs
	Lane, Input, Call    []uint32
	Task, Attempt        []uint16
	State                []uint8
	Error                []int32
	CPU, Parked, RSS     []float32
	Text                 []uint32
	SampleT              []float64
	SampleRunning        []float32
	SampleQueued         []float32
	SampleCPU, SampleRSS []float32
	SampleDone           []float32
	SampleFailed         []float32
}

// Encode returns the bytes of GET /api/snapshot.
func (r *Run) Encode() []byte {
	var body bytes.Buffer
	var columns []map[string]any
	add := func(name, kind string, values any, n int) {
		for body.Len()%8 != 0 {
			body.WriteByte(0)
		}
		columns = append(columns, map[string]any{"name": name, "type": kind, "offset": body.Len(), "length": n})
		if err := binary.Write(&body, binary.LittleEndian, values); err != nil {
			panic(err) // slices of fixed-size numbers can be written
		}
	}
	add("start", "f64", r.Start, len(r.Start))
	add("end", "f64", r.End, len(r.End))
	add("queued", "f64", r.Queued, len(r.Queued))
	add("lane", "u32", r.Lane, len(r.Lane))
	add("task", "u16", r.Task, len(r.Task))
	add("input", "u32", r.Input, len(r.Input))
	add("attempt", "u16", r.Attempt, len(r.Attempt))
	add("state", "u8", r.State, len(r.State))
	add("error", "i32", r.Error, len(r.Error))
	add("cpu", "f32", r.CPU, len(r.CPU))
	add("parked", "f32", r.Parked, len(r.Parked))
	add("rss", "f32", r.RSS, len(r.RSS))
	add("call", "u32", r.Call, len(r.Call))
	if r.Head["texts"] == "inline" {
		add("text", "u32", r.Text, len(r.Text))
	}
	add("s_t", "f64", r.SampleT, len(r.SampleT))
	add("s_running", "f32", r.SampleRunning, len(r.SampleT))
	add("s_queued", "f32", r.SampleQueued, len(r.SampleT))
	add("s_cpu", "f32", r.SampleCPU, len(r.SampleT))
	add("s_rss", "f32", r.SampleRSS, len(r.SampleT))
	add("s_done", "f32", r.SampleDone, len(r.SampleT))
	add("s_failed", "f32", r.SampleFailed, len(r.SampleT))

	head := make(map[string]any, len(r.Head)+2)
	for k, v := range r.Head {
		head[k] = v
	}
	head["spans"] = len(r.Start)
	head["columns"] = columns
	text, err := json.Marshal(head)
	if err != nil {
		panic(err) // what the tests put into a head can be written
	}
	for (4+len(text))%8 != 0 {
		text = append(text, ' ')
	}
	out := binary.LittleEndian.AppendUint32(nil, uint32(len(text)))
	out = append(out, text...)
	return append(out, body.Bytes()...)
}

// Delta returns the data of an "event: delta" that appends the spans from index on, or
// overwrites those that the page has already.
func (r *Run) Delta(seq int, spans []int, more map[string]any) []byte {
	type list = []any
	columns := map[string]list{}
	number := func(v float64) any {
		if math.IsNaN(v) {
			return nil
		}
		return v
	}
	for _, i := range spans {
		for name, v := range map[string]any{
			"index": i, "start": r.Start[i], "end": number(r.End[i]), "queued": number(r.Queued[i]),
			"lane": r.Lane[i], "task": r.Task[i], "input": r.Input[i], "attempt": r.Attempt[i], "state": r.State[i],
			"error": r.Error[i], "cpu": number(float64(r.CPU[i])), "parked": r.Parked[i], "rss": number(float64(r.RSS[i])),
			"call": r.Call[i],
		} {
			columns[name] = append(columns[name], v)
		}
	}
	d := map[string]any{"seq": seq, "now": r.Head["now"], "state": r.Head["state"], "counts": r.Head["counts"]}
	if len(spans) > 0 {
		d["spans"] = columns
	}
	for k, v := range more {
		d[k] = v
	}
	text, err := json.Marshal(d)
	if err != nil {
		panic(err) // as above
	}
	return text
}
