package main

import (
	"testing"
	"time"
)

// Every candidate of every case can do a small piece of its work, and says so much as
// there are measures.
func TestRecordCases(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []benchCase{recordedCase(dir, 300, time.Microsecond), recordedCase(dir, 300, 0), readCase(dir, 100)} {
		for _, p := range append([]candidate{c.braid}, c.peers...) {
			t.Run(c.name+"/"+p.name, func(t *testing.T) {
				values, err := p.run()
				if want := max(len(c.measures), 1); err != nil || len(values) != want {
					t.Errorf("run = %v, %v; want %d values", values, err, want)
				}
			})
		}
	}
}
