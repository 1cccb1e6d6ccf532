package cli

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// What cobra and pflag find wrong with a command line, in the words of this
// command and with a next step.

// flagMistake says what is wrong with a flag of cmd.
func flagMistake(cmd *cobra.Command, err error) error {
	try := cmd.CommandPath() + " --help"
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		if unknown.GetSpecifiedShortnames() != "" {
			return usageError(fmt.Errorf("there is no flag -%s", unknown.GetSpecifiedName()), try+"; flags of a command that is to be run go behind --")
		}
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, "--"+f.Name) })
		name := "--" + unknown.GetSpecifiedName()
		return usageError(fmt.Errorf("there is no flag %s%s", name, didYouMean(name, names)), try)
	}
	if missing, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		return usageError(fmt.Errorf("%s needs a value", flagSyntax(missing.GetFlag())), try)
	}
	if bad, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		what := bad.Unwrap().Error()
		switch bad.GetFlag().Value.Type() {
		case "int":
			what = "it is not a whole number"
		case "bool":
			what = "it is not true or false"
		}
		return usageError(fmt.Errorf("--%s %q: %s", bad.GetFlag().Name, bad.GetValue(), what), try)
	}
	return usageError(err, try)
}

// flagSyntax writes a flag as the help does: --from FILE.
func flagSyntax(f *pflag.Flag) string {
	value, _ := pflag.UnquoteUsage(f)
	return strings.TrimSpace("--" + f.Name + " " + value)
}

// noArguments and oneArgument check how many arguments cmd has.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError(fmt.Errorf("%q: %s takes no arguments", args[0], cmd.CommandPath()), cmd.CommandPath()+" --help")
	}
	return nil
}

func oneArgument(what, example string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usageError(fmt.Errorf("%s takes one argument, %s, not %d", cmd.CommandPath(), what, len(args)), cmd.CommandPath()+" "+example)
		}
		return nil
	}
}

// A durationFlag is a flag whose value is a duration, or a plain number of
// seconds.
type durationFlag time.Duration

func (d *durationFlag) Set(s string) error {
	v, err := parseDuration(s)
	*d = durationFlag(v)
	return err
}

func (d *durationFlag) String() string { return time.Duration(*d).String() }
func (d *durationFlag) Type() string   { return "duration" }

// durationVar defines a flag for *p, which is not set unless the flag is.
func durationVar(fs *pflag.FlagSet, p *time.Duration, name, usage string) {
	fs.Var((*durationFlag)(p), name, usage)
	fs.Lookup(name).DefValue = "" // so that help says nothing of 0s
}
