package cli

import (
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// flagGroups are the headings under which help shows the flags of the commands that
// have many, and which flags stand there, in their order. Names that a command does
// not have are passed over.
var flagGroups = []struct{ title, flags string }{
	{"Inputs", "from glob null csv no-header ndjson max-args"},
	{"What is done", "engine engines rounds shell env workdir stdin nice out set dry-run"},
	{"How much at once", "jobs delay rate load memfree memory max-tasks"},
	{"When it takes long or fails", "timeout slow retries retry-on backoff halt kill-seq deadline exit-status"},
	{"Results", "keep-order tag line-buffer json results html"},
	{"Runs", "record keep-runs resume rerun-failed view no-open"},
	{"What is said", "progress quiet color help"},
}

// groupFlags has help show flags in groups, for cmd and the commands below it.
func groupFlags(cmd *cobra.Command) {
	cobra.AddTemplateFunc("groupedFlags", groupedFlags)
	cmd.SetUsageTemplate(strings.Replace(cmd.UsageTemplate(),
		"Flags:\n{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}", "{{groupedFlags .LocalFlags | trimTrailingWhitespaces}}", 1))
}

// fewFlags are so many that they need no groups.
const fewFlags = 12

// groupedFlags returns the descriptions of flags under their headings.
func groupedFlags(fs *pflag.FlagSet) string {
	count := 0
	fs.VisitAll(func(*pflag.Flag) { count++ })
	if count <= fewFlags {
		return "Flags:\n" + fs.FlagUsages()
	}
	// All are described together, so that they stand in the same columns.
	all := pflag.NewFlagSet("", pflag.ContinueOnError)
	all.SortFlags = false
	titles := make(map[string]string) // by the first flag below
	for _, g := range flagGroups {
		title := g.title
		for name := range strings.FieldsSeq(g.flags) {
			if f := fs.Lookup(name); f != nil && !f.Hidden {
				if title != "" {
					titles[name], title = title, ""
				}
				all.AddFlag(f)
			}
		}
	}
	title := "More"
	fs.VisitAll(func(f *pflag.Flag) {
		if all.Lookup(f.Name) == nil && !f.Hidden {
			if title != "" {
				titles[f.Name], title = title, ""
			}
			all.AddFlag(f)
		}
	})
	var b strings.Builder
	for line := range strings.Lines(all.FlagUsages()) {
		if m := flagName.FindStringSubmatch(line); m != nil && titles[m[1]] != "" {
			if b.Len() > 0 {
				b.WriteByte('\n')
			}
			b.WriteString(titles[m[1]] + ":\n")
		}
		b.WriteString(optionalValue.ReplaceAllStringFunc(line, plainOptional))
	}
	return b.String()
}

var (
	flagName = regexp.MustCompile(`^ +(?:-., )?--([\w-]+)`)
	// How pflag writes a value that may be left out: NAME[="{}"].
	optionalValue = regexp.MustCompile(`^ +--[\w-]+ \S+\[="[^"]*"\] +`)
)

// plainOptional writes a value that may be left out as all others do, as wide as before.
func plainOptional(s string) string {
	name, value, _ := strings.Cut(strings.TrimLeft(s, " "), " ")
	value, _, _ = strings.Cut(value, "[")
	plain := s[:strings.Index(s, "--")] + name + "[=" + value + "]"
	return plain + strings.Repeat(" ", max(1, len(s)-len(plain)))
}
