package dashboard

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
)

// decoded is a snapshot as the page has it: columns of numbers by name.
type decoded struct {
	head    head
	columns map[string][]float64
}

// decodeSnapshot reads a snapshot from the description of its format, and not with what
// writes it, so that a mistake there is seen.
func decodeSnapshot(b []byte) (*decoded, error) {
	if len(b) < 4 {
		return nil, errors.New("no length")
	}
	n := uint64(binary.LittleEndian.Uint32(b))
	if n+4 > uint64(len(b)) || (n+4)%8 != 0 {
		return nil, fmt.Errorf("a head of %d bytes in %d", n, len(b))
	}
	d := &decoded{columns: make(map[string][]float64)}
	if err := json.Unmarshal(b[4:4+n], &d.head); err != nil {
		return nil, err
	}
	body := b[4+n:]
	for _, c := range d.head.Columns {
		size := map[string]int{"f64": 8, "f32": 4, "u32": 4, "i32": 4, "u16": 2, "u8": 1}[c.Type]
		if size == 0 || c.Offset < 0 || c.Offset%8 != 0 || c.Length < 0 || c.Offset > len(body) || c.Length > (len(body)-c.Offset)/size {
			return nil, fmt.Errorf("column %q: type %q, %d from %d in %d bytes", c.Name, c.Type, c.Length, c.Offset, len(body))
		}
		values := make([]float64, c.Length)
		for i := range values {
			at := body[c.Offset+i*size:]
			switch c.Type {
			case "f64":
				values[i] = math.Float64frombits(binary.LittleEndian.Uint64(at))
			case "f32":
				values[i] = float64(math.Float32frombits(binary.LittleEndian.Uint32(at)))
			case "u32":
				values[i] = float64(binary.LittleEndian.Uint32(at))
			case "i32":
				values[i] = float64(int32(binary.LittleEndian.Uint32(at)))
			case "u16":
				values[i] = float64(binary.LittleEndian.Uint16(at))
			case "u8":
				values[i] = float64(at[0])
			}
		}
		d.columns[c.Name] = values
	}
	return d, nil
}

var sampleNames = []string{"s_t", "s_running", "s_queued", "s_cpu", "s_rss", "s_done", "s_failed"}

// apply takes a delta in, as the page does.
func (d *decoded) apply(data []byte) error {
	var delta struct {
		deltaHead
		Spans   map[string][]*float64 `json:"spans"`
		Samples [][]*float64          `json:"samples"`
	}
	if err := json.Unmarshal(data, &delta); err != nil {
		return fmt.Errorf("%w in %s", err, data)
	}
	h := &d.head
	h.Seq, h.Now, h.State, h.Counts, h.Inputs, h.End = delta.Seq, delta.Now, delta.State, delta.Counts, delta.Inputs, delta.End
	h.Lanes = append(h.Lanes, delta.Lanes...)
	for lane, downs := range delta.Downs {
		h.Lanes[lane].Downs = downs
	}
	h.Tasks = append(h.Tasks, delta.Tasks...)
	h.Marks = append(h.Marks, delta.Marks...)
	if delta.Engines != nil {
		h.Engines = delta.Engines
	}
	for _, e := range delta.Errors {
		if e.N < len(h.Errors) {
			h.Errors[e.N] = e
		} else {
			h.Errors = append(h.Errors, e)
		}
	}
	if delta.Advice != nil {
		h.Advice = delta.Advice
	}
	number := func(v *float64) float64 {
		if v == nil {
			return math.NaN()
		}
		return *v
	}
	for k, index := range delta.Spans["index"] {
		i := int(*index)
		if i > h.Spans {
			return fmt.Errorf("row %d comes after %d rows", i, h.Spans)
		}
		for name, values := range delta.Spans {
			if name == "index" {
				continue
			}
			if i == h.Spans {
				d.columns[name] = append(d.columns[name], number(values[k]))
			} else {
				d.columns[name][i] = number(values[k])
			}
		}
		if i == h.Spans {
			h.Spans++
		}
	}
	for _, row := range delta.Samples {
		for k, name := range sampleNames {
			d.columns[name] = append(d.columns[name], number(row[k]))
		}
	}
	return nil
}

// same reports how two snapshots differ, if they do.
func (d *decoded) same(o *decoded) error {
	for name, values := range o.columns {
		mine := d.columns[name]
		if len(mine) != len(values) {
			return fmt.Errorf("column %s has %d values, not %d", name, len(mine), len(values))
		}
		for i := range values {
			a, b := mine[i], values[i]
			if a != b && !(math.IsNaN(a) && math.IsNaN(b)) && float32(a) != float32(b) {
				return fmt.Errorf("column %s has %v at %d, not %v", name, a, i, b)
			}
		}
	}
	a, b := d.head, o.head
	a.Columns, b.Columns = nil, nil
	a.Advice, b.Advice = nil, nil // comes now and then
	a.Now, b.Now = 0, 0           // the clock goes on
	for _, h := range []*head{&a, &b} {
		for i := range h.Lanes {
			h.Lanes[i].Label = "" // a second lane of a worker gives the first another name
		}
	}
	if !reflect.DeepEqual(a, b) {
		return fmt.Errorf("the heads differ:\n%+v\n%+v", a, b)
	}
	return nil
}
