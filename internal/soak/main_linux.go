package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/go-braid/braid/multiprocessing"
)

func main() {
	playRole()
	run := flag.Duration("for", 60*time.Second, "how `long` to submit calls")
	seed := flag.Uint64("seed", 0, "the `number` that everything random comes from; 0 chooses one")
	gap := flag.Duration("gap", 20*time.Millisecond, "the `time` between two faults, on average")
	verbose := flag.Bool("v", false, "say how far it is")
	flag.Parse()
	if flag.NArg() > 0 || *run <= 0 || *gap < minGap || *gap > maxGap {
		fmt.Fprintf(os.Stderr, "soak: -for must be positive, -gap from %v to %v, and there are no arguments\n", minGap, maxGap)
		flag.Usage()
		os.Exit(2)
	}
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())%1_000_000 + 1
	}
	var talk io.Writer
	if *verbose {
		talk = os.Stderr
	}
	sound, err := soak(settings{seed: *seed, time: *run, gap: *gap}, int(*run/(20*time.Second)), os.Stdout, talk)
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
	}
	if err != nil || !sound {
		os.Exit(1)
	}
}

// playRole does not return in a process that is a worker or a driver.
func playRole() {
	multiprocessing.Main()
	if os.Getenv(roleEnv) != "driver" {
		return
	}
	// Not for what is started from here.
	_ = os.Unsetenv(roleEnv)
	syscall.CloseOnExec(3)
	s := settings{seed: ownSeed, dir: os.Getenv(dirEnv)}
	var err error
	if s.time, err = time.ParseDuration(os.Getenv(timeEnv)); err == nil {
		s.gap, err = time.ParseDuration(os.Getenv(gapEnv))
	}
	if err == nil {
		err = drive(s, os.NewFile(3, "events"), os.Stdin)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak: the driver:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// The bound of what the driver's memory may grow by, in bytes: it is measured at the
// end of rounds, when it holds nothing. The resident memory depends on what the runtime
// has given back, so its bound is wide.
const (
	maxHeapGrowth = 4 << 20
	maxRSSGrowth  = 64 << 20
)

// soak runs the soak and writes the report to out. It reports whether all was well.
func soak(s settings, kills int, out, verbose io.Writer) (sound bool, err error) {
	fmt.Fprintf(out, "seed %s, for %v, a fault each %v\n\n", strconv.FormatUint(s.seed, 10), s.time, s.gap)
	if s.dir, err = os.MkdirTemp("", "braid-soak-"); err != nil {
		return false, err
	}
	began := time.Now()
	o, err := consult(s, kills, verbose)
	if err != nil {
		return false, err
	}
	o.totals.write(out, time.Since(began))
	if heap, slope, known := growth(o.memory, func(s sample) float64 { return s.heap }); known {
		rss, rssSlope, _ := growth(o.memory, func(s sample) float64 { return s.rss })
		fmt.Fprintf(out, "memory: heap %+.2f MiB (%+.2f MiB in 10 min), resident %+.2f MiB (%+.2f MiB in 10 min), %.1f MiB at the end\n",
			heap/(1<<20), slope/(1<<20), rss/(1<<20), rssSlope/(1<<20), o.memory[len(o.memory)-1].rss/(1<<20))
		// The race detector does not give memory back.
		if heap > maxHeapGrowth || rss > maxRSSGrowth && !raceEnabled {
			o.violate(0, nil, "the memory of the driver grows")
		}
	}
	if o.killed > 0 {
		fmt.Fprintf(out, "killed the program %d times: all it had started was gone after %v at most\n", o.killed, o.slowest.Round(time.Millisecond))
	}
	if len(o.violations) > 0 {
		for _, v := range o.violations {
			v.write(out, s.seed)
		}
		fmt.Fprintf(out, "\n%d VIOLATIONS; repeat with -seed %d -for %v; the files are in %s\n", len(o.violations), s.seed, s.time, s.dir)
		return false, nil
	}
	fmt.Fprintln(out, "sound")
	return true, os.RemoveAll(s.dir)
}
