package cli

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/internal/input"
	"github.com/go-braid/braid/internal/usage"
	"github.com/go-braid/braid/multiprocessing"
	"github.com/go-braid/braid/record"
)

// How the rounds are cut.
const (
	// A block of inputs takes about so long in one pass: long against the
	// start and end of a block, when not all workers are busy, and short
	// enough that a drift of the machine hits all engines alike.
	blockTarget = 200 * time.Millisecond
	// Blocks grow at most by this factor, since costs differ along an input.
	blockGrowth = 4
	// Work that is over sooner is done again, for the sake of the interval.
	measureFor = 2 * time.Second
	// But not more often than this.
	maxRounds = 15
)

// compareFlags are the flags of compare.
type compareFlags struct {
	batchFlags
	engines []string
	rounds  int
	html    string
}

func (a *app) compareCommand() *cobra.Command {
	var f compareFlags
	cmd := &cobra.Command{
		Use:   "compare TASK [flags] [INPUT…]\n  " + a.name + " compare [flags] -- COMMAND {} … [::: INPUT…]",
		Short: "Run the same work on every engine, and say which one to use",
		Long: `Run the same work on every engine, and say which one to use.

The inputs are taken in blocks. Each block is done once unmeasured, so that files
are in memory for all, and then on each engine in turn, in an order that changes
from round to round, so that a drift of the machine hits all alike. The results
of the engines must be equal. Work that takes less than two seconds is repeated.
All engines get the same -j. What processes use, they use all together.

The task runs several times on each input. It should not mind. On processes it runs
first: an input that crashes its worker is left out then, as it would be the end of
this program on the other engines.`,
		Example: `  ` + a.name + ` compare sha256 --glob "$(go env GOROOT)/src/**/*.go"
  ` + a.name + ` compare sleep 100ms 100ms 100ms 100ms
  ` + a.name + ` compare --json -j 4 -- gzip -c {} ::: *.log`,
		ValidArgsFunction: completeTask,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.compare(cmd, &f, args)
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringSliceVar(&f.engines, "engines", engineNames(), "the `ENGINES` to compare, separated by commas; the first is the yardstick")
	fs.IntVar(&f.rounds, "rounds", 0, "measure each block `N` times on each engine (default: as needed)")
	fs.StringVar(&f.html, "html", "", "write a page to `FILE` that shows what each engine did when")
	f.add(fs)
	_ = cmd.RegisterFlagCompletionFunc("engines", completeWords(engineNames()...))
	completeBatchFlags(cmd)
	return cmd
}

func (a *app) compare(cmd *cobra.Command, f *compareFlags, args []string) error {
	var err error
	if a.style, err = styleFor(f.color, a.Out); err != nil {
		return err
	}
	if len(f.engines) < 2 {
		return usageError(errors.New("--engines: it takes at least two to compare"), "--engines serial,threads")
	}
	cmp := &comparison{app: a, ctx: cmd.Context(), control: newControl(), rounds: f.rounds, began: time.Now()}
	if _, err := parseKeepRule(f.keepRuns); err != nil {
		return err
	}
	if f.rounds < 0 {
		return usageError(fmt.Errorf("--rounds %d: it cannot be negative", f.rounds), "--rounds 5")
	}
	if cmp.jobs, err = parseJobs(f.jobs); err != nil {
		return err
	}
	if f.timeout.percent > 0 {
		return usageError(fmt.Errorf("--timeout %s: to compare, the limit has to be the same for all: a duration", f.timeout.String()), "--timeout 30s")
	}
	if cmp.options, err = f.options(); err != nil {
		return err
	}
	p, err := f.plan(a, cmd, args)
	if err != nil {
		return err
	}
	named := cmd.Flags().Changed("engines")
	var leftOut error
	for i, name := range f.engines {
		kind, err := engineByName(name)
		if err != nil {
			return err
		}
		if slices.Contains(f.engines[:i], name) {
			return usageError(fmt.Errorf("--engines: %s stands twice", name), "--engines serial,threads")
		}
		if err := kind.suits(p, cmp.jobs); err != nil {
			if named {
				return err
			}
			if p.task != "" { // of a command nobody expects it
				leftOut = err
			}
			continue
		}
		cmp.sides = append(cmp.sides, &side{kind: kind})
	}
	cfg, err := f.workerConfig(slices.ContainsFunc(cmp.sides, isProcesses))
	if err != nil {
		return err
	}
	var closeWork func()
	if cmp.work, closeWork, err = f.work(p, cmp.control, &commandFlags{}); err != nil {
		return err
	}
	defer closeWork()
	if cmp.progress, err = newProgress(f.progress, a.name, a.Err, f.quiet); err != nil {
		return err
	}
	cmp.control.first = stageTerminate
	cmp.control.comment = func(stage int32) { cmp.progress.line(a.name + ": " + stageComment(stage)) }
	defer cmp.control.watchSignals()()
	if f.deadline > 0 {
		defer time.AfterFunc(f.deadline, func() {
			cmp.control.raise(stageTerminate, exitDeadline, fmt.Errorf("stopped after --deadline %v", f.deadline))
		}).Stop()
	}
	reading, stopReading := context.WithCancel(cmd.Context())
	defer stopReading()
	if cmp.progress.bar != nil {
		cmp.total = countInputs(reading, p.inputs, 0)
	}

	cmp.rec = a.record(&f.recordFlags, f.html != "", record.Run{Name: "compare " + p.name, Task: p.task, Args: append([]string{a.name}, a.args...)},
		f.remarks(cmp.progress))
	defer cmp.rec.cleanUp()
	cmp.rec.watch(cmp.work)
	cfg.jobs, cfg.stdout, cfg.stderr = cmp.jobs, cmp.product, cmp.progress.line
	err = cmp.open(cfg, p, named)
	if err == nil {
		if leftOut = errors.Join(leftOut, cmp.leftOut); leftOut != nil && !f.quiet {
			cmp.progress.line(fmt.Sprintf("%s: without %s: %v", a.name, processesName, leftOut))
		}
		cmp.run(p.inputs)
	}
	if e := cmp.close(); err == nil {
		err = e
	}
	var rep *report
	if code, why := cmp.control.reason(); err == nil && code != 0 {
		err = &exitError{code: code, err: why}
	} else if err == nil && cmp.inputs == 0 {
		err = noInput()
	} else if err == nil {
		rep = cmp.report()
		cmp.rec.mark("engine", "use "+rep.Verdict.Engine+": "+rep.Verdict.Why)
		if cmp.failed > 0 || len(cmp.unequal) > 0 {
			err = exit(exitFailed)
		}
	}
	if cmp.inputs == 0 {
		cmp.rec.discard()
	} else {
		cmp.rec.close(tally{read: cmp.inputs, ok: cmp.inputs - cmp.failed, failed: cmp.failed}, err)
	}
	cmp.progress.close(false)
	if rep == nil {
		return err
	}
	if f.html != "" {
		if e := a.writeReport(f.html, cmp.rec); e != nil {
			return e
		}
	}
	var bad error
	if f.json {
		enc := json.NewEncoder(a.Out)
		enc.SetEscapeHTML(false)
		bad = enc.Encode(rep)
	} else {
		bad = rep.print(a)
	}
	if bad != nil {
		return outputError(bad)
	}
	return err
}

// A comparison is the same work on several engines.
type comparison struct {
	app      *app
	ctx      context.Context
	control  *control
	work     work
	jobs     int
	options  []braid.Option
	rounds   int // for each block; 0 as needed
	progress *progress
	rec      *recording
	total    func() int
	sides    []*side
	first    *side // warms up, and gives the results to compare with
	leftOut  error // why the program can have no worker processes
	began    time.Time

	productMu sync.Mutex // for what tasks print in worker processes

	inputs  int // inputs that were compared or could not be
	failed  int // inputs that failed
	crashed int // those of them that were the end of their process
	turns   int // passes done, which decides who begins
	done    int // rounds done
	spent   time.Duration
	unequal map[int]bool // the inputs whose results differed, by their place
}

// A side is one engine in a comparison.
type side struct {
	kind   engineKind
	handle engineHandle

	wall   time.Duration // for all blocks, each counted once
	cpu    time.Duration
	peak   int64
	silent bool        // the system does not tell what its processes use
	child  int64       // the largest memory of a command
	rounds [][]float64 // for each block, the wall time of each round in seconds
}

// pass is one run of one block on one engine.
type pass struct {
	wall, cpu time.Duration
	results   []fingerprint
}

func isProcesses(s *side) bool { return s.kind.name == processesName }

// open makes the engines. If the program cannot have worker processes, and nobody has
// asked for them by name, they are left out.
func (c *comparison) open(cfg engineConfig, p *plan, named bool) error {
	for _, s := range slices.Clone(c.sides) {
		var err error
		limit := c.jobs
		if s.kind.name == serialName {
			limit = 1
		}
		cfg.listener = c.rec.listener(s.kind.name, s.kind, p, limit, "")
		s.handle, err = s.kind.open(cfg)
		switch {
		case err == nil:
			if s.handle.kill != nil {
				c.control.on(stageAbandon, s.handle.kill)
			}
		case !named && (errors.Is(err, multiprocessing.ErrNoMain) || errors.Is(err, multiprocessing.ErrNested)):
			c.leftOut = err
			c.sides = slices.DeleteFunc(c.sides, func(other *side) bool { return other == s })
		default:
			return err
		}
	}
	c.first = c.sides[len(c.sides)-1]
	if i := slices.IndexFunc(c.sides, isProcesses); i >= 0 {
		c.first = c.sides[i] // what crashes there would be the end of this process elsewhere
	}
	return nil
}

// close closes the engines that are open. Nothing is in flight, so it does not wait for
// tasks; if they are abandoned, it does nothing.
func (c *comparison) close() error {
	var errs []error
	for _, s := range c.sides {
		if s.handle.close != nil && c.control.stage() < stageAbandon {
			errs = append(errs, s.handle.close(context.WithoutCancel(c.ctx)))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return &exitError{code: exitUsage, err: err}
	}
	return nil
}

// product prints a line that a task has printed in a worker process, as it would have
// on the other engines. That it cannot be printed is found out with the report.
func (c *comparison) product(line string) {
	c.productMu.Lock()
	defer c.productMu.Unlock()
	fmt.Fprintln(c.app.Out, line)
}

// run does all blocks.
func (c *comparison) run(cfg input.Config) {
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	size := 8 * c.jobs
	var block []entry
	for it, err := range input.Items(ctx, cfg) {
		if c.control.stage() >= stageTerminate {
			return
		}
		if block = append(block, entry{item: it, err: err}); len(block) < size {
			continue
		}
		wall := c.block(block)
		c.inputs += len(block)
		size = nextSize(size, wall)
		block = block[:0]
	}
	if len(block) > 0 && c.control.stage() < stageTerminate {
		c.block(block)
		c.inputs += len(block)
	}
}

// nextSize returns how many inputs the next block is to have, if one of the
// given size took so long.
func nextSize(size int, wall time.Duration) int {
	grow := float64(blockTarget) / float64(max(wall, time.Microsecond))
	return max(1, int(float64(size)*min(max(grow, 1), blockGrowth)))
}

// block runs a block on all engines and returns how long the slowest took.
func (c *comparison) block(block []entry) time.Duration {
	inputs := c.good(block)
	if len(inputs) == 0 {
		return 0
	}
	// The pass that warms up also gives the results to compare with.
	want := c.pass(c.first, inputs)
	c.note(inputs, want.results)
	inputs, want.results = c.survivors(inputs, want.results)
	if len(inputs) == 0 {
		return 0
	}
	for _, s := range c.sides {
		s.rounds = append(s.rounds, nil)
	}
	walls := make([]time.Duration, len(c.sides))
	cpus := make([]time.Duration, len(c.sides))
	n := 0
	for began := time.Now(); c.wantsRound(n, time.Since(began)); n++ {
		for i := range c.sides {
			// Every engine is as often first as last.
			k := (i + c.turns) % len(c.sides)
			s := c.sides[k]
			got := c.pass(s, inputs)
			walls[k] += got.wall
			cpus[k] += got.cpu
			s.rounds[len(s.rounds)-1] = append(s.rounds[len(s.rounds)-1], got.wall.Seconds())
			c.compare(s, inputs, want.results, got.results)
		}
		c.turns++
		c.done++
		c.progress.update(tally{ok: c.inputs - c.failed, failed: c.failed}, c.known())
	}
	slowest := time.Duration(0)
	for i, s := range c.sides {
		s.wall += walls[i] / time.Duration(max(n, 1))
		s.cpu += cpus[i] / time.Duration(max(n, 1))
		slowest = max(slowest, walls[i]/time.Duration(max(n, 1)))
	}
	c.spent += slowest * time.Duration(n)
	return slowest
}

// wantsRound reports whether a block is to be done again after n rounds that
// took so long.
func (c *comparison) wantsRound(n int, took time.Duration) bool {
	switch {
	case c.control.stage() >= stageTerminate:
		return false
	case c.rounds > 0:
		return n < c.rounds
	case n == 0:
		return true
	}
	// Short blocks are done several times. Once the whole has taken long
	// enough, one round a block will do.
	return n < maxRounds && took < measureFor/4 && c.spent < measureFor
}

func (c *comparison) known() int {
	if c.total == nil {
		return 0
	}
	return c.total()
}

// good returns the inputs of a block that could be read, and reports the others.
func (c *comparison) good(block []entry) []entry {
	inputs := make([]entry, 0, len(block))
	for i, e := range block {
		e.number = c.inputs + i + 1
		c.rec.input(e.number, "", e.item.Text)
		if e.err != nil {
			c.rec.refused(e.number, e.err)
			c.failed++
			c.progress.line(c.app.failure(&result{item: e.item, err: e.err}))
			continue
		}
		inputs = append(inputs, e)
	}
	return inputs
}

// pass runs inputs on the engine of s.
func (c *comparison) pass(s *side, inputs []entry) pass {
	p := pass{results: make([]fingerprint, len(inputs))}
	b := &batch{
		work: c.work, engine: s.handle, control: c.control,
		window: windowFor(s.kind, c.jobs), options: c.options,
		emit: func(r *result) {
			p.results[r.seq-1] = fingerprintOf(r)
			if out, ok := r.value.(*commandResult); ok {
				s.child = max(s.child, out.MaxRSS)
			}
			c.control.stopIfBroken(r)
			r.close()
		},
	}
	// What one pass leaves to be collected is not the next one's to pay for.
	runtime.GC()
	s.resetPeak()
	began, before := time.Now(), s.usedCPU()
	b.run(c.ctx, sliceSource(inputs))
	p.wall, p.cpu = time.Since(began), s.usedCPU()-before
	s.peak = max(s.peak, s.usedMemory())
	return p
}

// workers returns the processes that the engine of s has beside this one.
func (s *side) workers() []int {
	if s.handle.pids == nil {
		return nil
	}
	return s.handle.pids()
}

// resetPeak begins a new peak of memory.
func (s *side) resetPeak() {
	_ = usage.ResetPeak()
	for _, pid := range s.workers() {
		_ = usage.ResetPeakOfPID(pid)
	}
}

// usedCPU is the processor time of this process, the commands that it ran, and the
// workers of s.
func (s *side) usedCPU() time.Duration {
	self, _ := usage.Self()
	children, _ := usage.Children() // workers that have ended are among them
	sum := self.CPU() + children.CPU()
	for _, pid := range s.workers() {
		cpu, _, _ := usage.OfPID(pid)
		sum += cpu
	}
	return sum
}

// usedMemory is the peak of this process and those of the workers of s together: no
// less than what they had at any one time.
func (s *side) usedMemory() int64 {
	sum, _ := usage.Peak()
	told := false
	pids := s.workers()
	for _, pid := range pids {
		_, peak, ok := usage.OfPID(pid)
		sum += peak
		told = told || ok
	}
	s.silent = s.silent || len(pids) > 0 && !told
	return sum
}

// survivors returns the inputs, with their results, that were not the end of the
// process that they were done in.
func (c *comparison) survivors(inputs []entry, results []fingerprint) ([]entry, []fingerprint) {
	if !isProcesses(c.first) || c.control.stage() >= stageTerminate {
		return inputs, results
	}
	crashed := make([]bool, len(inputs))
	for i, r := range results {
		_, crashed[i] = errors.AsType[*braid.CrashError](r.err)
	}
	i, j := -1, -1
	left := slices.DeleteFunc(inputs, func(entry) bool { i++; return crashed[i] })
	results = slices.DeleteFunc(results, func(fingerprint) bool { j++; return crashed[j] })
	c.crashed += len(crashed) - len(left)
	return left, results
}

// note reports the inputs that fail.
func (c *comparison) note(inputs []entry, results []fingerprint) {
	for i, r := range results {
		if r.err != nil && c.control.stage() < stageTerminate {
			c.failed++
			c.progress.line(c.app.failure(&result{item: inputs[i].item, err: r.err}))
		}
	}
}

// compare reports results that differ between engines, or on one engine from run
// to run.
func (c *comparison) compare(s *side, inputs []entry, want, got []fingerprint) {
	for i := range want {
		if c.control.stage() >= stageTerminate {
			return
		}
		place := c.inputs + i
		if want[i].sum == got[i].sum || c.unequal[place] {
			continue
		}
		if c.unequal == nil {
			c.unequal = make(map[int]bool)
		}
		c.unequal[place] = true
		if len(c.unequal) > 10 {
			continue
		}
		how := "from run to run"
		if s != c.first {
			how = "from that on " + c.first.kind.name
		}
		c.progress.line(fmt.Sprintf("%s %s: the result on %s differs %s",
			c.app.style.red(c.app.name+":"), shorten(inputs[i].item.Text, 200), s.kind.name, how))
	}
}

// A fingerprint stands for a result where results are compared.
type fingerprint struct {
	sum [sha256.Size]byte
	err error
}

func fingerprintOf(r *result) fingerprint {
	h := sha256.New()
	fmt.Fprintf(h, "%t\n", r.err == nil)
	switch v := r.value.(type) {
	case *commandResult:
		fmt.Fprintf(h, "%d\n", v.Code)
		if v.Stdout != nil {
			_, _ = v.Stdout.WriteTo(h)
		}
	case interface{ Fingerprint() string }:
		io.WriteString(h, v.Fingerprint())
	default:
		if r.err == nil {
			text, err := resultText(v)
			fmt.Fprintf(h, "%s%v", text, err)
		}
	}
	return fingerprint{sum: [sha256.Size]byte(h.Sum(nil)), err: r.err}
}

// A report is what compare found.
type report struct {
	Inputs    int            `json:"inputs"`
	Failed    int            `json:"failed"`
	Crashed   int            `json:"crashed,omitempty"`
	Engines   []engineReport `json:"engines"`
	Rounds    int            `json:"rounds"`
	Identical bool           `json:"identical"`
	Jobs      int            `json:"jobs"`
	Verdict   verdict        `json:"verdict"`
}

type engineReport struct {
	Engine    string  `json:"engine"`
	WallS     float64 `json:"wall_s"`
	CPUS      float64 `json:"cpu_s"`
	Tasks     int     `json:"tasks"`
	Failed    int     `json:"failed"`
	Speedup   float64 `json:"speedup"`
	SpeedupLo float64 `json:"speedup_lo,omitempty"`
	SpeedupHi float64 `json:"speedup_hi,omitempty"`
	TasksPerS float64 `json:"tasks_per_s"`
	PeakRSS   int64   `json:"peak_rss_bytes,omitempty"`
}

func (c *comparison) report() *report {
	rep := &report{
		Inputs: c.inputs, Failed: c.failed, Crashed: c.crashed, Rounds: c.done, Jobs: c.jobs,
		Identical: len(c.unequal) == 0,
	}
	for _, s := range c.sides {
		e := engineReport{
			Engine: s.kind.name, WallS: s.wall.Seconds(), CPUS: s.cpu.Seconds(),
			Tasks: c.inputs, Failed: c.failed, PeakRSS: max(s.peak, s.child),
		}
		if s.silent {
			e.CPUS, e.PeakRSS = 0, 0
		}
		if e.WallS > 0 {
			e.TasksPerS = float64(c.inputs) / e.WallS
			e.Speedup = c.sides[0].wall.Seconds() / e.WallS
		}
		e.SpeedupLo, e.SpeedupHi = speedupInterval(c.sides[0].rounds, s.rounds)
		rep.Engines = append(rep.Engines, e)
	}
	rep.Verdict = judge(rep.Engines, c.jobs, runtime.GOMAXPROCS(0))
	if c.crashed > 0 {
		rep.Verdict = verdict{Engine: processesName, Why: fmt.Sprintf(
			"%s crashed or had to be killed: on the other engines that is the end of the whole run, or nobody can end it. They were compared without.",
			plural(c.crashed, "input"))}
	}
	return rep
}

// print writes the report for people.
func (r *report) print(a *app) error {
	use := ""
	if r.Verdict.Engine != "" {
		use = fmt.Sprintf("\n%s %s\n", a.style.bold("Use "+r.Verdict.Engine+":"), r.Verdict.Why)
	}
	if r.Rounds == 0 {
		_, err := fmt.Fprintf(a.Out, "%s, of which no one could be compared.\n%s", plural(r.Inputs, "input"), use)
		return err
	}
	var table bytes.Buffer
	t := tabwriter.NewWriter(&table, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "engine\twall\tspeed-up\t\ttasks/s\tCPU/wall\tpeak memory\t")
	for _, e := range r.Engines {
		interval, memory, cpu := "", "?", "?"
		if e.SpeedupLo > 0 && e.Engine != r.Engines[0].Engine {
			interval = fmt.Sprintf("[%.2f, %.2f]", e.SpeedupLo, e.SpeedupHi)
		}
		if e.PeakRSS > 0 {
			memory = size(e.PeakRSS)
		}
		if e.CPUS > 0 {
			cpu = fmt.Sprintf("%.0f%%", 100*e.CPUS/max(e.WallS, 1e-9))
		}
		fmt.Fprintf(t, "%s\t%s\t%.2f×\t%s\t%s\t%s\t%s\t\n",
			e.Engine, brief(seconds(e.WallS)), e.Speedup, interval, rate(e.TasksPerS), cpu, memory)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	same := "All engines gave the same results."
	if !r.Identical {
		same = a.style.red("Results differed.")
	}
	failed := ""
	if r.Failed > 0 {
		failed = fmt.Sprintf(", %s of which failed", count(r.Failed))
	}
	_, err := fmt.Fprintf(a.Out, "%s%s, %d at once, %s of interleaved blocks. %s\n\n%s%s",
		plural(r.Inputs, "input"), failed, r.Jobs, plural(r.Rounds, "round"), same, table.String(), use)
	return err
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
