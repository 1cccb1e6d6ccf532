// Bench measures braid beside its peers: in one run, in turn, so that what the
// machine does meanwhile hits all alike.
//
//	go run -C bench . [-n ROUNDS] [SUITE…]
//
// and is run in its own folder, as this does.
//
// It prints a line for each case and peer: the medians of both, and the ratio
// braid/peer, below 1 where braid needs less, with a 95 % interval from a
// bootstrap over the rounds. A peer that is not installed is named and left out.
//
// The peers live in this module and nowhere else.
package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
)

// A suite is a set of cases that are measured together.
type suite struct {
	name string
	doc  string
	// cases makes the cases; cleanup undoes what that needed.
	cases func() (cases []benchCase, cleanup func(), err error)
}

var suites = []suite{
	{"command", "how fast commands are launched, beside a bare loop, xargs and GNU parallel", commandCases},
}

func main() {
	rounds := flag.Int("n", 11, "measure each candidate `ROUNDS` times")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: go run -C bench . [-n ROUNDS] [SUITE…]\n\nsuites:")
		for _, s := range suites {
			fmt.Fprintf(flag.CommandLine.Output(), "  %-12s%s\n", s.name, s.doc)
		}
		flag.PrintDefaults()
	}
	flag.Parse()
	if err := run(flag.Args(), *rounds); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(names []string, rounds int) error {
	if rounds < 3 {
		return fmt.Errorf("-n %d: a median needs at least 3 rounds", rounds)
	}
	for _, name := range names {
		if !slices.ContainsFunc(suites, func(s suite) bool { return s.name == name }) {
			return fmt.Errorf("there is no suite %q: see -help", name)
		}
	}
	for _, s := range suites {
		if len(names) > 0 && !slices.Contains(names, s.name) {
			continue
		}
		if err := runSuite(s, rounds); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

func runSuite(s suite, rounds int) error {
	cases, cleanup, err := s.cases()
	if err != nil {
		return err
	}
	defer cleanup()
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "case\tbraid\tpeer\t\tratio\t95 %")
	var absent []string
	for _, c := range cases {
		rows, missing, err := c.measure(rounds)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		absent = append(absent, missing...)
		for _, r := range rows {
			fmt.Fprintf(t, "%s\t%v\t%s\t%v\t%.3f\t[%.3f, %.3f]\n", c.name, r.braid, r.peer, r.value, r.ratio, r.lo, r.hi)
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if len(absent) > 0 {
		fmt.Println("\nabsent:", strings.Join(absent, "; "))
	}
	return nil
}
