package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// topics are the help topics: commands that only have a text.
func (a *app) topics() []*cobra.Command {
	topic := func(name, short, text string) *cobra.Command {
		return &cobra.Command{Use: name, Short: short, Long: strings.TrimSpace(text)}
	}
	return []*cobra.Command{
		topic("exit-codes", "What the exit codes mean", exitCodesText),
		topic("placeholders", "What {} and its kin stand for in commands", placeholdersText),
		topic("inputs", "Where inputs come from", inputsText),
		topic("limits", "What holds inputs back: load, memory, rate", limitsText),
		topic("engines", "The engines, and when to use which", enginesText()),
		topic("json", "What --json prints", jsonText),
		topic("records", "Where runs are recorded, and how they are taken up", recordsText),
		topic("results", "What --results keeps, and where", resultsText),
		topic("environment", "What commands find in their environment", environmentText),
	}
}

const placeholdersText = `
PLACEHOLDERS
In a command after --, as in GNU parallel:

  {}    the input                      {#}   its number, from 1
  {.}   without its extension          {%}   the number of the slot that runs it
  {/}   its base name                  {n}   its n-th column, from 1 (--csv)
  {//}  its directory                  {key} a named column, or a key (--csv, --ndjson)
  {/.}  base name, no extension        {n.}  {n/} {n//} {n/.} likewise for columns

If no argument has a placeholder for the input, {} is added at the end. --env,
--workdir, --stdin and --tag know the same placeholders.

With -n N, a command gets N inputs, or those that are left: an argument with {}
stands there once for each, and {1} to {N} are the single ones. In a script of
--shell, in --env and in --tag, {} is all of them with spaces between.

Commands are run as argument vectors, without a shell: each argument stays one
argument, whatever characters the input has. With --shell the command is one
string for the shell, and the values are quoted for it.
`

const inputsText = `
INPUTS
Inputs are taken, one after the other and never read as a whole, from

  arguments            behind the task, or behind ::: for a command
  --glob PATTERN       files that match; ** is any number of directories;
                       names that begin with a dot need a dot in the pattern
  --from FILE          the lines of a file; - is standard input
  standard input       its lines, if nothing else is given

  -0, --null           inputs end with NUL, as find -print0 writes them
  --csv                inputs are CSV records, the first names the columns
  --ndjson             inputs are JSON values, a line each
  -n, --max-args N     a command takes N of them at once; for all that is said of
                       inputs elsewhere, these are one input

An input that cannot be read is reported and counted as failed; the others are
done all the same.

For a task, the input becomes its argument: text as it is, numbers and durations
parsed, and JSON for anything else. For a task whose argument has fields, plain
text goes to the first of them, and --set NAME=VALUE sets others.
`

const jsonText = `
JSON
"run --json" prints an object a line for each input:

  seq, input, ok, attempts, wall_s      always; input is null if it could not be read
  result                                of a task that succeeded
  error                                 if it failed
  command, exit, stdout, stderr,
  stdout_bytes, stderr_bytes, slot,
  user_s, system_s, cpu_s (both),
  max_rss_bytes, traceparent            of a command; exit is -1 if a signal ended it
  signal                                the name of that signal
  started, pid                          when it was started, and as which process
  leaked                                true if a process that it left behind held its
                                        output 100 ms later (Linux)

Lines come in the order in which inputs are done; with -k in that of seq.

"compare --json" prints one object:

  {"inputs":…, "failed":…, "crashed":…, "jobs":…, "rounds":…, "identical":…,
  "engines":[{"engine":…, "wall_s":…, "cpu_s":…, "tasks":…, "failed":…,
  "speedup":…, "speedup_lo":…, "speedup_hi":…, "tasks_per_s":…,
  "peak_rss_bytes":…}], "verdict":{"engine":…, "why":…}}

"crashed" counts inputs that were the end of their worker process, and is there only
if any were. Fields may be added. Times are in seconds.
`

const recordsText = `
RECORDS
"run" and "compare" record what they do: each input and each attempt, with its times,
what a command used, why it failed and the end of what it said. "runs" lists the
records, "view" draws them, "runs export" writes them for other programs.

They are in the directory braid/runs of your state directory, which is
$XDG_STATE_HOME or ~/.local/state, each in a directory of its own, for you alone to
read. --record DIR records elsewhere, --record off not at all; what BRAID_RECORD says
is the default. Beside the command line and the inputs, the first 4 KB of each, a
record has the input that came from standard input, up to 64 MB of it: do not record
what nobody may keep.

Of earlier runs the newest 100 stay, unless they are older than 30 days, as long as
all together take no more than 1 GB: that is --keep-runs 100,30d,1G, and
BRAID_KEEP_RUNS says another default. With all, everything stays. What a run that stays
has taken up stays as well.

If the record cannot be written, the run says so once and goes on.

TAKING UP A RUN
  run --resume RUN         do what it has not done: what failed, what was stopped and
                           what it did not come to
  run --rerun-failed RUN   do again which of its inputs failed, were stopped or were
                           never tried, and no others

RUN is last, an ID or the begin of one; last can be left out at the end of the line or
in front of another flag.

The command line ends there, and the run is done again as it was: with its flags, its
inputs and its directory. Flags that stand beside --resume take the place of its own,
such as -j 8. Or the command is repeated, with inputs that may be others, or more, or
in another order. It must be the same task or command, in the same directory.

An input is known by what is in it, not by its place. It is done once its result has been
written to standard output: what was done just before the run was killed may be done a
second time, but no result is lost. Inputs that are there several times are done as
often. A record or file that cannot be read is tried again.
`

func enginesText() string {
	var b strings.Builder
	b.WriteString("ENGINES\n")
	for _, k := range engineKinds {
		fmt.Fprintf(&b, "  %-10s%s\n", k.name, k.doc)
	}
	b.WriteString(`
Threads is the one to begin with. Serial is the yardstick, and the one to debug
on. Async is for tasks that wait, such as sleep and fetch, many at once: its
coroutines run one at a time, each until it waits. Work that computes gains
nothing from it, and a task that blocks, as sha256 does when it reads a file,
holds up all others meanwhile; a line at the end of a run says so.

Processes are for tasks that crash, leak, hang or eat memory. Each worker is this
program, started again, and has one input at a time. One that dies costs the input
that it was working on, which fails with the reason; the others go on. If the task
is idempotent, that input is done again, until it has cost three workers. --retries
does not repeat a crash, unless the task is idempotent: nobody knows what it had
done by then. A task that does not end at its --timeout, or at the second Ctrl-C,
gets SIGTERM after a second and SIGKILL after two, with all that it has started.
--memory bounds what a worker may take; --max-tasks replaces workers from time to
time, which gives back what they have leaked. What tasks print comes home line by
line. Arguments and results travel, which counts when tasks are short.

"compare" measures which is faster for your work, and says why.

-j is how many tasks are under way at once. With -j auto these are as many as
there are processors; with "run --engine async" 256. Of processes there are at
most 256.

A command after -- is always a process of its own; the engine decides how many
run at once. On async threads wait for the processes. The engine processes takes
no commands, which have already what it is for.
`)
	return b.String()
}
