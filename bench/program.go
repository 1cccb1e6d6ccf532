package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"time"
)

// patience bounds what a program may take for its work: far longer than any here,
// so that only one that hangs meets it.
const patience = 2 * time.Minute

// A program is what a candidate starts.
type program struct {
	name    string
	command []string
	env     []string // besides that of this process
	absent  string   // why it cannot be started, and how to change that
	python  string   // what it runs on, with the version, if it is in Python
}

// inGo is this program itself, as a child on so many Ps; 0 means as many as
// usual.
func inGo(name string, procs int, args ...string) program {
	self, err := os.Executable()
	if err != nil {
		return program{name: name, absent: err.Error()}
	}
	p := program{name: name, command: append([]string{self, childArg}, args...)}
	// gnet would greet on stdout, where the address goes: errors only.
	p.env = []string{"GNET_LOGGING_LEVEL=2"}
	if procs > 0 {
		p.env = append(p.env, "GOMAXPROCS="+strconv.Itoa(procs))
	}
	return p
}

// candidate is p where run is what it does.
func (p program) candidate(run func(program) ([]float64, error)) candidate {
	return candidate{name: p.name, absent: p.absent, python: p.python, run: func() ([]float64, error) { return run(p) }}
}

func (p program) cmd(ctx context.Context) *exec.Cmd {
	cmd := exec.CommandContext(ctx, p.command[0], p.command[1:]...)
	cmd.Env = append(os.Environ(), p.env...)
	// What a killed program leaves behind may hold its output open.
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// A report is what a program says of the body that it did.
type report struct {
	Seconds float64 `json:"seconds"`
	Before  float64 `json:"before"` // bytes resident before the body
	Peak    float64 `json:"peak"`   // bytes resident at most
}

// report runs a program that does a body, and returns what it says of it.
func (p program) report() (r report, err error) {
	err = p.says(&r)
	return r, err
}

// says runs a program and decodes the JSON that it prints.
func (p program) says(v any) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := p.cmd(ctx)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if ctx.Err() != nil {
		err = fmt.Errorf("killed after %v: %w", patience, err)
	}
	if err != nil {
		return fmt.Errorf("%w\n%s", err, stderr.Bytes())
	}
	if err := json.Unmarshal(out, v); err != nil {
		return fmt.Errorf("%q is not a report: %w", out, err)
	}
	return nil
}
