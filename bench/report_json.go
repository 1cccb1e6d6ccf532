package main

import (
	"encoding/json"
	"io"
	"math"
	"strconv"
)

// A jsonRow is a row as -json writes it.
type jsonRow struct {
	Suite     string `json:"suite"`
	Case      string `json:"case"`
	Braid     number `json:"braid"` // median
	Peer      string `json:"peer"`
	PeerValue number `json:"peer_value"` // median
	Unit      string `json:"unit"`
	Ratio     number `json:"ratio"`
	Lo        number `json:"lo"`
	Hi        number `json:"hi"`

	Verdict     string   `json:"verdict"`
	BraidSpread number   `json:"braid_spread"` // interquartile range beside the median
	PeerSpread  number   `json:"peer_spread"`
	Braids      []number `json:"braid_samples"` // a round each, the same in both
	Peers       []number `json:"peer_samples"`
}

// A number may be none, or infinite: then it is null.
type number float64

// MarshalJSON implements [json.Marshaler].
func (n number) MarshalJSON() ([]byte, error) {
	if v := float64(n); math.IsNaN(v) || math.IsInf(v, 0) {
		return []byte("null"), nil
	}
	return strconv.AppendFloat(nil, float64(n), 'g', -1, 64), nil
}

func numbers(vs []float64) []number {
	ns := make([]number, len(vs))
	for i, v := range vs {
		ns[i] = number(v)
	}
	return ns
}

func writeJSON(w io.Writer, found results) error {
	rows := make([]jsonRow, len(found.rows))
	for i, r := range found.rows {
		rows[i] = jsonRow{
			Suite: r.suite, Case: r.name, Peer: r.peer, Unit: r.unit.symbol,
			Braid: number(r.braid), PeerValue: number(r.value),
			Ratio: number(r.ratio), Lo: number(r.lo), Hi: number(r.hi),
			Verdict:    r.verdict().word,
			PeerSpread: number(spread(r.values)), Peers: numbers(r.values),
			BraidSpread: number(math.NaN()), Braids: numbers(r.braids),
		}
		if r.braids != nil {
			rows[i].BraidSpread = number(spread(r.braids))
		}
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "\t")
	return e.Encode(struct {
		Machine machine   `json:"machine"`
		Rows    []jsonRow `json:"rows"`
	}{found.machine, rows})
}
