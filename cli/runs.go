package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/go-braid/braid/internal/template"
	"github.com/go-braid/braid/record"
)

// runsFlags are what the commands about recorded runs have in common.
type runsFlags struct{ record string }

func (f *runsFlags) add(cmd *cobra.Command) {
	addStore(cmd.Flags(), &f.record, "where runs are recorded: `WHERE` is auto (your state directory) or a directory; $"+recordEnv+" is the default")
}

// store returns the store that the flags name.
func (f *runsFlags) store() (record.Store, error) {
	s, err := storeAt(f.record)
	if err != nil {
		return s, usageError(err, "--record DIR")
	}
	return s, nil
}

func (a *app) runsCommand() *cobra.Command {
	var f runsFlags
	cmd := &cobra.Command{
		Use:   "runs",
		Short: "List, show, export and remove recorded runs",
		Long: `List, show, export and remove recorded runs.

"` + a.name + ` run" and "` + a.name + ` compare" record what they do. A run is named by its ID or the
begin of it, or as last. See "` + a.name + ` help records".`,
		Example: `  ` + a.name + ` runs
  ` + a.name + ` runs show last
  ` + a.name + ` runs export last --format md
  ` + a.name + ` runs rm --older 7d`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return a.listRuns(&f, false)
			}
			var names []string
			for _, c := range cmd.Commands() {
				names = append(names, c.Name())
			}
			return usageError(fmt.Errorf("there is no command %q of runs%s", args[0], didYouMean(args[0], names)), cmd.CommandPath()+" --help")
		},
	}
	f.add(cmd)
	cmd.AddCommand(a.runsListCommand(), a.runsShowCommand(), a.runsRemoveCommand(), a.runsExportCommand())
	for _, c := range cmd.Commands() {
		c.Flags().SortFlags = false
	}
	return cmd
}

// completeRun completes the name of a recorded run.
func (a *app) completeRun(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	where := ""
	if flag := cmd.Flag("record"); flag != nil {
		where = flag.Value.String()
	}
	store, err := storeAt(where)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	runs, _ := store.List()
	names := []string{"last\tthe newest run"}
	newestFirst(runs)
	for _, r := range runs {
		names = append(names, r.ID+"\t"+startOf(r)+" "+r.Run.Name+" "+stateOf(r))
	}
	return names, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
}

func newestFirst(runs []record.Info) {
	slices.SortFunc(runs, func(a, b record.Info) int { return strings.Compare(b.ID, a.ID) })
}

// beginOf returns when a run began.
func beginOf(r record.Info) time.Time {
	if r.Err == nil {
		return r.Run.Wall
	}
	info, err := os.Stat(filepath.Dir(r.Path))
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// startOf says when a run began.
func startOf(r record.Info) string { return beginOf(r).Local().Format(time.DateTime) }

// stateOf says in a word what became of a run.
func stateOf(r record.Info) string {
	switch {
	case r.Err != nil:
		return "unreadable"
	case r.End != nil:
		return r.End.Verdict
	}
	return string(r.State)
}

// tookOf returns how long a run has taken, as far as its record tells.
func tookOf(r record.Info) time.Duration {
	switch {
	case r.Err != nil:
		return 0
	case r.End != nil:
		return r.End.Time
	case r.State == record.Running:
		return time.Since(r.Run.Wall)
	case r.Sample != nil:
		return r.Sample.Time
	}
	return max(0, r.Modified.Sub(r.Run.Wall))
}

// countsOf returns how many inputs of a run succeeded and failed, as far as can be seen at
// a glance.
func countsOf(r record.Info) (ok, failed int) {
	switch {
	case r.End != nil:
		return r.End.OK, r.End.Failed
	case r.Sample != nil:
		return r.Sample.Done, r.Sample.Failed
	}
	return 0, 0
}

func (a *app) runsListCommand() *cobra.Command {
	var f runsFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "ls",
		Aliases: []string{"list"},
		Short:   "List the recorded runs, the newest first",
		Args:    noArguments,
		RunE:    func(*cobra.Command, []string) error { return a.listRuns(&f, asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object for each run")
	f.add(cmd)
	return cmd
}

// A runRecord is a run as JSON. Fields may be added.
type runRecord struct {
	ID      string    `json:"id"`
	Wall    time.Time `json:"wall"`
	Name    string    `json:"name"`
	State   string    `json:"state"`
	OK      int       `json:"ok"`
	Failed  int       `json:"failed"`
	Stopped int       `json:"stopped"`
	Skipped int       `json:"skipped"`
	TookS   float64   `json:"took_s"`
	Exit    *int      `json:"exit,omitempty"`
	Args    []string  `json:"args"`
	Dir     string    `json:"dir"`
	Parent  string    `json:"parent,omitempty"`
	Path    string    `json:"path"`
}

func (a *app) listRuns(f *runsFlags, asJSON bool) error {
	store, err := f.store()
	if err != nil {
		return err
	}
	runs, err := store.List()
	if err != nil {
		return usageError(fmt.Errorf("the recorded runs cannot be listed: %w", err), "--record DIR")
	}
	newestFirst(runs)
	if asJSON {
		for _, r := range runs {
			line, err := marshal(recordOfRun(r))
			if err == nil {
				_, err = fmt.Fprintf(a.Out, "%s\n", line)
			}
			if err != nil {
				return outputError(err)
			}
		}
		return nil
	}
	if len(runs) == 0 {
		fmt.Fprintf(a.Err, "There is no recorded run in %s.\n", store.Dir)
		return nil
	}
	most := math.MaxInt
	if isTerminal(a.Out) {
		most = columns(a.Out)
	}
	if _, err := io.WriteString(a.Out, tableOfRuns(runs, most)); err != nil {
		return outputError(err)
	}
	return nil
}

// tableOfRuns returns the table of runs, at most so many columns wide: in a narrow
// terminal it has less of when a run began, of its name, and of how long it took.
func tableOfRuns(runs []record.Info, most int) string {
	digits := prefixLength(runs)
	rows := [][]string{{"ID", "STARTED", "NAME", "STATE", "INPUTS", "TOOK"}}
	for _, r := range runs {
		rows = append(rows, []string{r.ID[:digits], startOf(r), shorten(r.Run.Name, 24), stateOf(r), inputsOf(r), brief(tookOf(r))})
	}
	const started, name, took = 1, 2, 5
	hidden := make(map[int]bool)
	widest := func(column int) (n int) {
		for _, row := range rows {
			n = max(n, utf8.RuneCountInString(row[column]))
		}
		return n
	}
	over := func() int { // how many columns too wide it is
		sum := -2
		for column := range rows[0] {
			if !hidden[column] {
				sum += widest(column) + 2
			}
		}
		return sum - most
	}
	if over() > 0 {
		year := time.Now().Format("2006-")
		for _, row := range rows[1:] {
			row[started] = strings.TrimPrefix(row[started][:len("2006-01-02 15:04")], year)
		}
	}
	for _, column := range []int{took, started} {
		hidden[column] = over() > 0
	}
	if n := over(); n > 0 {
		room := max(4, widest(name)-n-1) // and an ellipsis
		for _, row := range rows {
			row[name] = shorten(row[name], room)
		}
		hidden[name] = over() > 0
	}
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		var shown []string
		for column, text := range row {
			if !hidden[column] {
				shown = append(shown, text)
			}
		}
		fmt.Fprintln(t, strings.Join(shown, "\t"))
	}
	_ = t.Flush() // a Builder takes everything
	return b.String()
}

func recordOfRun(r record.Info) runRecord {
	rec := runRecord{
		ID: r.ID, Wall: beginOf(r), Name: r.Run.Name, State: stateOf(r), TookS: tookOf(r).Seconds(),
		Args: r.Run.Args, Dir: r.Run.Dir, Parent: r.Run.Parent, Path: r.Path,
	}
	rec.OK, rec.Failed = countsOf(r)
	if r.End != nil {
		rec.Stopped, rec.Skipped, rec.Exit = r.End.Stopped, r.End.Skipped, &r.End.Exit
	}
	return rec
}

// inputsOf says in a few words what became of the inputs of a run.
func inputsOf(r record.Info) string {
	ok, failed := countsOf(r)
	s := count(ok) + " ok"
	if failed > 0 {
		s += ", " + count(failed) + " failed"
	}
	if r.End != nil && r.End.Stopped+r.End.Skipped > 0 {
		s += ", " + count(r.End.Stopped+r.End.Skipped) + " left"
	}
	return s
}

// prefixLength returns how many digits of the IDs tell the runs apart, and are not too
// few for later ones.
func prefixLength(runs []record.Info) int {
	const least = 10 // those of the time
	n := least
	for i := 1; i < len(runs); i++ {
		a, b := runs[i-1].ID, runs[i].ID
		for n < len(a) && n < len(b) && a[:n] == b[:n] {
			n++
		}
	}
	for _, r := range runs {
		n = min(n, len(r.ID))
	}
	return n
}

func (a *app) runsRemoveCommand() *cobra.Command {
	var f runsFlags
	var all, force bool
	var older string
	cmd := &cobra.Command{
		Use:   "rm RUN… | --all | --older AGE",
		Short: "Remove recorded runs",
		Long: `Remove recorded runs: those that are named, all, or those that are older than an
age such as 30d or 12h. A run that still runs stays, unless --force is given; then
it goes on, without its record.`,
		ValidArgsFunction: a.completeRun,
		RunE: func(cmd *cobra.Command, args []string) error {
			ways := 0
			for _, given := range []bool{len(args) > 0, all, older != ""} {
				if given {
					ways++
				}
			}
			if ways != 1 {
				return usageError(errors.New("it needs the runs to remove, or --all, or --older AGE: one of them"), cmd.CommandPath()+" --older 30d")
			}
			return a.removeRuns(&f, args, older, force)
		},
	}
	fs := cmd.Flags()
	fs.BoolVar(&all, "all", false, "remove all runs")
	fs.StringVar(&older, "older", "", "remove the runs that began longer ago than `AGE`, such as 30d or 12h")
	fs.BoolVar(&force, "force", false, "remove also what still runs")
	_ = cmd.RegisterFlagCompletionFunc("older", completeWords("30d", "7d", "24h"))
	f.add(cmd)
	return cmd
}

// removeRuns removes the named runs, or without names those older than the age, which may
// be none.
func (a *app) removeRuns(f *runsFlags, names []string, older string, force bool) error {
	store, err := f.store()
	if err != nil {
		return err
	}
	var age time.Duration
	if older != "" {
		if age, err = parseAge(older); err != nil {
			return usageError(fmt.Errorf("--older %q: it is no age such as 30d or 12h", older), "--older 30d")
		}
	}
	var runs []record.Info
	for _, name := range names {
		r, err := a.findRun(store, name)
		if err != nil {
			return err
		}
		if r.State == record.Running && !force {
			return usageError(fmt.Errorf("run %s is still running, as process %d", r.ID, r.Run.PID), "stop it first, or --force")
		}
		runs = append(runs, r)
	}
	if len(names) == 0 {
		listed, err := store.List()
		if err != nil {
			return usageError(fmt.Errorf("the recorded runs cannot be listed: %w", err), "--record DIR")
		}
		for _, r := range listed {
			switch {
			case age > 0 && time.Since(beginOf(r)) <= age:
			case r.State == record.Running && !force:
				fmt.Fprintf(a.Err, "%s: run %s stays: it is still running, as process %d\n", a.name, r.ID, r.Run.PID)
			default:
				runs = append(runs, r)
			}
		}
	}
	for _, r := range runs {
		err := store.Remove(r.ID)
		if errors.Is(err, record.ErrRunning) && force {
			err = os.RemoveAll(filepath.Dir(r.Path))
		}
		if err != nil {
			return usageError(fmt.Errorf("run %s cannot be removed: %w", r.ID, err), "")
		}
	}
	fmt.Fprintf(a.Err, "%s: %s removed\n", a.name, plural(len(runs), "run"))
	return nil
}

func (a *app) runsExportCommand() *cobra.Command {
	var f runsFlags
	var format, file string
	cmd := &cobra.Command{
		Use:   "export [RUN]",
		Short: "Write a recorded run for other programs",
		Long: `Write a recorded run, or the newest one, for other programs.

  chrome   trace events as JSON, for https://ui.perfetto.dev
  md       a summary of a page, as Markdown
  csv      a table with a row for each attempt
  ndjson   the record as it is`,
		Args:              atMostOneRun,
		ValidArgsFunction: a.completeRun,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.exportRun(&f, runName(args), format, file)
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&format, "format", "", "write it as `FORMAT`: "+strings.Join(exportFormats(), ", "))
	fs.StringVarP(&file, "output", "o", "", "write it to `FILE` instead of standard output")
	_ = cmd.RegisterFlagCompletionFunc("format", completeWords(exportFormats()...))
	f.add(cmd)
	return cmd
}

// atMostOneRun checks the arguments of a command about a run.
func atMostOneRun(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return usageError(fmt.Errorf("%s takes one run, not %d", cmd.CommandPath(), len(args)), cmd.CommandPath()+" last")
	}
	return nil
}

// runName returns the run that the arguments of a command name.
func runName(args []string) string { return cmp.Or(strings.Join(args, ""), "last") }

// exportRun writes a run in a format.
func (a *app) exportRun(f *runsFlags, name, format, file string) error {
	write := exporters[format]
	if write == nil {
		err := fmt.Errorf("--format %q: it is %s", format, strings.Join(exportFormats(), ", "))
		if format == "" {
			err = fmt.Errorf("it needs --format: %s", strings.Join(exportFormats(), ", "))
		}
		return usageError(err, "--format md")
	}
	store, err := f.store()
	if err != nil {
		return err
	}
	run, err := a.findRun(store, name)
	if err != nil {
		return err
	}
	if file == "" {
		return exportError(write(a.Out, run))
	}
	out, err := os.Create(file)
	if err != nil {
		return usageError(err, "-o FILE in a directory that is there")
	}
	err = write(out, run)
	return exportError(errors.Join(err, out.Close()))
}

// commandLine writes the command line of a run for people.
func commandLine(r record.Info) string { return template.Join(r.Run.Args) }
