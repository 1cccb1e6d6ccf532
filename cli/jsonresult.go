package cli

import (
	"encoding/json"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-braid/braid/internal/command"
	"github.com/go-braid/braid/internal/input"
)

// A resultRecord is a result as JSON. Fields may be added.
type resultRecord struct {
	Seq      int             `json:"seq"`
	Input    json.RawMessage `json:"input"`
	OK       bool            `json:"ok"`
	Result   json.RawMessage `json:"result,omitempty"`
	Error    string          `json:"error,omitempty"`
	Attempts int             `json:"attempts"`
	WallS    float64         `json:"wall_s"`
	*commandRecord
}

// A commandRecord is what a command adds to a resultRecord. Exit is -1 if a signal
// ended it, or if it was not started.
type commandRecord struct {
	Command []string `json:"command"`
	Exit    int      `json:"exit"`
	Signal  string   `json:"signal,omitempty"`
	*outputRecord
	StdoutBytes int64   `json:"stdout_bytes"`
	StderrBytes int64   `json:"stderr_bytes"`
	Started     string  `json:"started,omitempty"` // RFC 3339
	PID         int     `json:"pid,omitempty"`
	Slot        int     `json:"slot,omitempty"`
	CPUS        float64 `json:"cpu_s"` // user_s and system_s together
	UserS       float64 `json:"user_s"`
	SystemS     float64 `json:"system_s"`
	MaxRSS      int64   `json:"max_rss_bytes"`
	Leaked      bool    `json:"leaked,omitempty"`
	Trace       string  `json:"traceparent,omitempty"`
}

// An outputRecord is what a command wrote. What is not UTF-8 is replaced.
type outputRecord struct {
	Stdout string `json:"stdout"`
	Stderr string `json:"stderr"`
}

// newRecord returns the record of a result, with or without what a command wrote.
func newRecord(r *result, outputs bool) (*resultRecord, error) {
	rec := &resultRecord{
		Seq: r.seq, Input: inputJSON(r), OK: r.err == nil,
		Attempts: r.attempts, WallS: r.wall.Seconds(),
	}
	if r.err != nil {
		rec.Error = reason(r.err)
	}
	if c, ok := r.value.(*commandResult); ok {
		rec.commandRecord = c.record()
		rec.WallS = c.Wall.Seconds()
		if outputs {
			var err error
			if rec.outputRecord, err = c.outputs(); err != nil {
				return nil, err
			}
		}
	} else if r.err == nil {
		rec.Result = r.json
	}
	return rec, nil
}

func (c *commandResult) record() *commandRecord {
	rec := &commandRecord{
		Command: c.args, Exit: c.Code, Signal: c.Signal, PID: c.PID, Slot: c.slot, Leaked: c.Leaked,
		CPUS: (c.User + c.System).Seconds(), UserS: c.User.Seconds(), SystemS: c.System.Seconds(), MaxRSS: c.MaxRSS,
		Trace: c.trace.String(),
	}
	if c.Stdout == nil {
		rec.Exit = -1
		return rec
	}
	rec.Started = c.Started.UTC().Format(time.RFC3339Nano)
	rec.StdoutBytes, rec.StderrBytes = c.Stdout.Size(), c.Stderr.Size()
	return rec
}

func (c *commandResult) outputs() (*outputRecord, error) {
	rec := &outputRecord{}
	if c.Stdout == nil {
		return rec, nil
	}
	for _, o := range []struct {
		from *command.Output
		to   *string
	}{{c.Stdout, &rec.Stdout}, {c.Stderr, &rec.Stderr}} {
		var b strings.Builder
		if _, err := o.from.WriteTo(&b); err != nil {
			return nil, err
		}
		*o.to = strings.ToValidUTF8(b.String(), string(utf8.RuneError))
	}
	return rec, nil
}

// inputJSON writes an input as JSON, as faithfully as JSON can. One that could not
// be read is null.
func inputJSON(r *result) json.RawMessage {
	if _, ok := errors.AsType[*input.Error](r.err); ok {
		return json.RawMessage("null")
	}
	if r.item.Format != input.Lines || r.item.Group() != nil {
		if text, err := r.item.JSON(); err == nil && json.Valid(text) {
			return text
		}
	}
	text, _ := marshal(r.item.Text) // text can always be written
	return text
}
