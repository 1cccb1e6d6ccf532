// Bench measures braid beside its peers: in one run, in turn, so that what the
// machine does meanwhile hits all alike.
//
//	go run -C bench . [-n ROUNDS] [-short] [-case TEXT] [SUITE…]
//
// and is run in its own folder, as this does.
//
// It prints a line for each case, measure and peer: the medians of both, and the
// ratio braid/peer, below 1 where braid needs less, with a 95 % interval from a
// bootstrap over the rounds. A peer that is not installed, or that fails, is
// named and left out.
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

	"github.com/go-braid/braid/multiprocessing"
)

// A suite is a set of cases that are measured together.
type suite struct {
	name   string
	doc    string
	rounds int // unless -n says otherwise
	// cases makes the cases, with fewer repetitions if they are to be short;
	// cleanup undoes what that needed.
	cases func(short bool) (cases []benchCase, cleanup func(), err error)
}

var suites = []suite{
	{"command", "how fast commands are launched, beside a bare loop, xargs and GNU parallel", 11, commandCases},
	{"multiprocessing", "worker processes, beside CPython, joblib, go-plugin, and what the machine can do; Linux only", 5, multiprocessingCases},
	{"threading", "goroutine pools, beside plain goroutines and the pools of others", 10, threadingCases},
	{"asyncio", "the event loop, beside goroutines, CPython, uvloop, gnet and epoll in C; Linux only", 5, asyncioCases},
}

func main() {
	multiprocessing.Main()
	if len(os.Args) > 1 && os.Args[1] == childArg {
		if err := child(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	rounds := flag.Int("n", 0, "measure each candidate `ROUNDS` times (default: what the suite needs, 5 or 11)")
	short := flag.Bool("short", false, "do each work fewer times: to see that everything runs, not to measure")
	only := flag.String("case", "", "measure only the cases whose name contains `TEXT`")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: go run -C bench . [-n ROUNDS] [-short] [-case TEXT] [SUITE…]\n\nsuites:")
		for _, s := range suites {
			fmt.Fprintf(flag.CommandLine.Output(), "  %-17s%s\n", s.name, s.doc)
		}
		flag.PrintDefaults()
	}
	flag.Parse()
	if err := run(flag.Args(), *rounds, *short, *only); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(names []string, rounds int, short bool, only string) error {
	if rounds < 0 || !short && rounds != 0 && rounds < 3 {
		return fmt.Errorf("-n %d: a median needs at least 3 rounds, or with -short 1", rounds)
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
		if rounds != 0 {
			s.rounds = rounds
		}
		if err := runSuite(s, short, only); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

func runSuite(s suite, short bool, only string) error {
	cases, cleanup, err := s.cases(short)
	if err != nil {
		return err
	}
	defer cleanup()
	cases = slices.DeleteFunc(cases, func(c benchCase) bool { return !strings.Contains(c.name, only) })
	if len(cases) == 0 {
		return nil
	}
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "case\tbraid\tpeer\t\tratio\t95 %")
	var left []string
	for _, c := range cases {
		// The table comes at the end: what takes minutes says where it is.
		fmt.Fprintf(os.Stderr, "%s: %s\n", s.name, c.name)
		rows, out, err := c.measure(s.rounds)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		left = append(left, out...)
		for _, r := range rows {
			fmt.Fprintf(t, "%s%s\n", c.name, r)
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	slices.Sort(left)
	for _, l := range slices.Compact(left) {
		fmt.Println("left out:", l)
	}
	return nil
}
