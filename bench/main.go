// Bench measures braid beside its peers: in one run, in turn, so that what the
// machine does meanwhile hits all alike.
//
//	go run -C bench . [-n ROUNDS] [-short] [-case TEXT] [-json FILE] [-html FILE] [-markdown FILE] [SUITE…]
//
// and is run in its own folder, as this does: FILE is looked for there.
//
// It prints a line for each case, measure and peer: the medians of both, each with
// its interquartile range in percent, the ratio braid/peer with a 95 % interval from
// a bootstrap over the rounds, and a verdict, which is "no difference" where the
// interval spans 1. A peer that is not installed, or that fails, is named and left
// out. How it measures, and why so, is in docs/benchmarks.md.
//
// The peers live in this module and nowhere else.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/go-braid/braid/multiprocessing"
)

// A suite is a set of cases that are measured together.
type suite struct {
	name string
	doc  string
	// cases makes the cases, with fewer repetitions if they are to be short;
	// cleanup undoes what that needed.
	cases func(short bool) (cases []benchCase, cleanup func(), err error)
}

var suites = []suite{
	{"command", "how fast commands are launched, beside a bare loop, xargs and GNU parallel", commandCases},
	{"threading", "the goroutine pool and what strands share, beside plain goroutines, the pools of others and package sync", threadingCases},
	{"record", "what a record of a run costs, beside the same run without one", recordCases},
	{"multiprocessing", "worker processes, beside CPython, joblib, go-plugin, and what the machine can do; Linux only", multiprocessingCases},
	{"asyncio", "the event loop, beside goroutines, CPython, uvloop, gnet and epoll in C; Linux only", asyncioCases},
}

// defaultRounds is how often each candidate is measured, unless -n says otherwise.
const defaultRounds = 10

func main() {
	multiprocessing.Main()
	if len(os.Args) > 1 && os.Args[1] == childArg {
		if err := child(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	var o options
	flag.IntVar(&o.rounds, "n", defaultRounds, "measure each candidate `ROUNDS` times")
	flag.BoolVar(&o.short, "short", false, "do each work fewer times: to see that everything runs, not to measure")
	flag.StringVar(&o.only, "case", "", "measure only the cases whose name contains `TEXT`")
	flag.StringVar(&o.json, "json", "", "write what was found to `FILE` as JSON")
	flag.StringVar(&o.html, "html", "", "write what was found to `FILE` as a page with plots")
	flag.StringVar(&o.markdown, "markdown", "", "write what was found as Markdown into `FILE`, between the lines that mark its place")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: go run -C bench . [flags] [SUITE…]\n\nsuites:")
		for _, s := range suites {
			fmt.Fprintf(flag.CommandLine.Output(), "  %-17s%s\n", s.name, s.doc)
		}
		fmt.Fprintln(flag.CommandLine.Output(), "\nflags:")
		flag.PrintDefaults()
	}
	flag.Parse()
	o.suites = flag.Args()
	if err := o.run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

type options struct {
	suites               []string // none means all
	rounds               int
	short                bool
	only                 string
	json, html, markdown string // files; empty means none
}

func (o options) check() error {
	if o.rounds < 1 || !o.short && o.rounds < 3 {
		return fmt.Errorf("-n %d: a median needs at least 3 rounds, or with -short 1; a verdict needs %d", o.rounds, fewestRounds)
	}
	for _, name := range o.suites {
		if !slices.ContainsFunc(suites, func(s suite) bool { return s.name == name }) {
			return fmt.Errorf("there is no suite %q: see -help", name)
		}
	}
	return nil
}

// run measures, and writes the reports after each suite: of a run that takes hours
// and fails in the end, something is left.
func (o options) run() error {
	if err := o.check(); err != nil {
		return err
	}
	outputs, err := o.outputs()
	if err != nil {
		return err
	}
	found := results{machine: thisMachine(os.Args[1:])}
	var failures []error
	for _, s := range suites {
		if len(o.suites) > 0 && !slices.Contains(o.suites, s.name) {
			continue
		}
		if err := o.runSuite(s, &found); err != nil {
			failures = append(failures, fmt.Errorf("%s: %w", s.name, err))
		}
		for _, out := range outputs {
			failures = append(failures, out.write(found))
		}
	}
	return errors.Join(failures...)
}

// runSuite prints what it finds, and adds it to found.
func (o options) runSuite(s suite, found *results) error {
	cases, cleanup, err := s.cases(o.short)
	if err != nil {
		return err
	}
	defer cleanup()
	cases = slices.DeleteFunc(cases, func(c benchCase) bool { return !strings.Contains(c.name, o.only) })
	if len(cases) == 0 {
		return nil
	}
	var rows []row
	var left []string
	for _, c := range cases {
		// The table comes at the end: what takes minutes says where it is.
		fmt.Fprintf(os.Stderr, "%s: %s\n", s.name, c.name)
		measured, out, err := c.measure(o.rounds)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		for _, r := range measured {
			r.suite = s.name
			rows = append(rows, r)
		}
		left = append(left, out...)
		found.machine.addPython(c.python())
	}
	slices.Sort(left)
	left = slices.Compact(left)
	found.rows = append(found.rows, rows...)
	found.machine.Absent = append(found.machine.Absent, left...)
	if err := writeText(os.Stdout, rows); err != nil {
		return err
	}
	for _, l := range left {
		fmt.Println("left out:", l)
	}
	return nil
}
