package cli

import (
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// Each flag of run and compare stands in one group, and help shows it there.
func TestFlagGroups(t *testing.T) {
	seen := map[string]bool{}
	for _, g := range flagGroups {
		for name := range strings.FieldsSeq(g.flags) {
			if seen[name] {
				t.Errorf("--%s is in two groups", name)
			}
			seen[name] = true
		}
	}
	root := (&app{name: "braid"}).rootCommand()
	for _, name := range []string{"run", "compare"} {
		cmd, _, err := root.Find([]string{name})
		if err != nil {
			t.Fatal(err)
		}
		cmd.InitDefaultHelpFlag()
		usage := cmd.UsageString()
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if !seen[f.Name] {
				t.Errorf("%s --%s is in no group", name, f.Name)
			}
			if strings.Count(usage, " --"+f.Name+" ")+strings.Count(usage, " --"+f.Name+"[") == 0 {
				t.Errorf("help of %s does not show --%s", name, f.Name)
			}
		})
		for _, part := range []string{"\n\nInputs:\n      --from FILE ", "\n\nResults:\n", "--jobs N "} {
			if !strings.Contains(usage, part) {
				t.Errorf("help of %s lacks %q:\n%s", name, part, usage)
			}
		}
		if strings.Contains(usage, "\nFlags:") || strings.Contains(usage, "More:") {
			t.Errorf("help of %s has flags without a group:\n%s", name, usage)
		}
	}
	root.InitDefaultHelpFlag()
	usage := root.UsageString()
	if !strings.Contains(usage, "\nFlags:\n  -h, --help") {
		t.Errorf("the few flags of the root stand in groups:\n%s", usage)
	}
}
