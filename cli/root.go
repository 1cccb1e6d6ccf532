package cli

import (
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/go-braid/braid"
)

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   a.name,
		Short: "Do many things at once, on the engine that suits the work",
		Long: `Do many things at once, on the engine that suits the work: run a task or a
command on many inputs, compare the engines on it, and see which one to use.`,
		Example: `  ` + a.name + ` compare sha256 --glob "$(go env GOROOT)/src/**/*.go"
  ` + a.name + ` run -- gzip -k {} ::: *.log
  ` + a.name + ` tour`,
		Args:              cobra.ArbitraryArgs,
		SilenceErrors:     true,
		SilenceUsage:      true,
		Version:           version(),
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: false},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return a.unknownCommand(cmd, args[0])
			}
			return cmd.Help()
		},
	}
	groupFlags(root)
	root.SetFlagErrorFunc(flagMistake)
	root.SetHelpCommand(a.helpCommand(root))
	root.AddCommand(a.runCommand(), a.compareCommand(), a.runsCommand(), a.viewCommand(), a.tasksCommand(), a.tourCommand(), a.doctorCommand(), a.manCommand())
	root.AddCommand(a.topics()...)
	return root
}

// helpCommand is "help", which shows the help of a command, or a topic.
func (a *app) helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND or TOPIC]",
		Short: "Explain a command or a topic",
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			var names []string
			for _, c := range root.Commands() {
				if !c.Hidden {
					names = append(names, c.Name()+"\t"+c.Short)
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				var names []string
				for _, c := range cmd.Commands() {
					names = append(names, c.Name())
				}
				name := args[len(args)-1]
				return usageError(fmt.Errorf("there is no command or help topic %q%s", name, didYouMean(name, names)), a.name+" help")
			}
			cmd.InitDefaultHelpFlag()
			cmd.InitDefaultVersionFlag()
			return cmd.Help()
		},
	}
}

func (a *app) unknownCommand(root *cobra.Command, name string) error {
	var names []string
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	if _, ok := braid.Lookup(name); ok {
		return usageError(fmt.Errorf("there is no command %q, but there is a task of that name", name), a.name+" run "+name)
	}
	return usageError(fmt.Errorf("there is no command %q%s", name, didYouMean(name, names)), a.name+" --help")
}

// version is that of the module which the program was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "unknown"
	}
	return info.Main.Version
}

func (a *app) tasksCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "tasks",
		Short: "List the tasks that can be run",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			tasks := tasks()
			if len(tasks) == 0 {
				fmt.Fprintln(a.Err, "This program defines no tasks; commands can be run all the same: "+a.name+" run -- COMMAND {}")
				return nil
			}
			t := tabwriter.NewWriter(a.Out, 0, 0, 2, ' ', 0)
			for _, d := range tasks {
				in, _ := d.Types()
				var fields []string
				for _, f := range jsonFields(in) {
					fields = append(fields, f.name)
				}
				arg := in.String()
				if len(fields) > 0 {
					arg = "{" + strings.Join(fields, ", ") + "}"
				}
				fmt.Fprintf(t, "%s\t%s\t%s\n", d.Name(), arg, d.Doc())
			}
			if err := t.Flush(); err != nil {
				return outputError(err)
			}
			return nil
		},
	}
}

// tourTask is the task that the command itself has, for its tour. It is not among those
// that users are told of.
const tourTask = "braid/tour"

func tasks() []braid.Definition {
	return slices.DeleteFunc(braid.Definitions(), func(d braid.Definition) bool { return d.Name() == tourTask })
}

func (a *app) manCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "man DIR",
		Short:  "Write manual pages into a directory",
		Args:   oneArgument("the directory", "/usr/local/share/man/man1"),
		Hidden: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return &exitError{code: exitUsage, err: err}
			}
			header := &doc.GenManHeader{Section: "1", Source: a.name + " " + version(), Manual: a.name}
			if err := doc.GenManTree(cmd.Root(), header, args[0]); err != nil {
				return &exitError{code: exitUsage, err: err}
			}
			return nil
		},
	}
}

func completeTask(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveDefault // inputs: often files
	}
	var names []string
	for _, d := range tasks() {
		names = append(names, d.Name()+"\t"+d.Doc())
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func completeWords(words ...string) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return words, cobra.ShellCompDirectiveNoFileComp
	}
}

func completeBatchFlags(cmd *cobra.Command) {
	_ = cmd.RegisterFlagCompletionFunc("jobs", completeWords("auto", "50%", "100%", "200%"))
	_ = cmd.RegisterFlagCompletionFunc("max-tasks", completeWords("1", "100"))
	_ = cmd.RegisterFlagCompletionFunc("memory", completeWords("256M", "512M", "1G"))
	_ = cmd.RegisterFlagCompletionFunc("progress", completeWords(progressAuto, progressBar, progressPlain, progressNone))
	_ = cmd.RegisterFlagCompletionFunc("color", completeWords("auto", "always", "never"))
	_ = cmd.RegisterFlagCompletionFunc("timeout", completeWords("10s", "1m", "300%"))
	_ = cmd.RegisterFlagCompletionFunc("retry-on", completeWords("exit=75", "timeout", "signal", "exit=75,timeout,signal"))
	_ = cmd.RegisterFlagCompletionFunc("backoff", completeWords("100ms..30s", "1s..60s", "none"))
	_ = cmd.MarkFlagDirname("out")
	completeRecordFlags(cmd)
}
