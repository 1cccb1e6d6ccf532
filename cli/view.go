package cli

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

type viewFlags struct{ view bool }

func (f *viewFlags) add(fs *pflag.FlagSet) {
	fs.BoolVar(&f.view, "view", false, "show the run in the browser while it runs")
}

func (a *app) viewCommand() *cobra.Command { return &cobra.Command{Use: "view"} }

func writeReport(file string, r *recording) error { return nil }
