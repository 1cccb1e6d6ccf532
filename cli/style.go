package cli

import (
	"fmt"
	"os"
	"strconv"
)

// style colours text for a terminal, or leaves it alone. The zero style is plain.
type style struct{ on bool }

func (s style) paint(code, text string) string {
	if !s.on || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (s style) bold(text string) string { return s.paint("1", text) }
func (s style) red(text string) string  { return s.paint("31", text) }

// styleFor decides whether to colour what goes to stream: as --color says, or
// for auto by the conventions NO_COLOR, CLICOLOR, CLICOLOR_FORCE, FORCE_COLOR and
// TERM, and whether the stream is a terminal.
func styleFor(color string, stream any) (style, error) {
	switch color {
	case "always":
		return style{on: true}, nil
	case "never":
		return style{}, nil
	case "auto":
	default:
		return style{}, usageError(fmt.Errorf("--color %s: it is auto, always or never", strconv.Quote(color)), "--color auto")
	}
	set := func(name string) bool { v := os.Getenv(name); return v != "" && v != "0" }
	switch {
	case os.Getenv("NO_COLOR") != "":
		return style{}, nil
	case set("CLICOLOR_FORCE"), set("FORCE_COLOR"):
		return style{on: true}, nil
	case os.Getenv("CLICOLOR") == "0", os.Getenv("TERM") == "dumb":
		return style{}, nil
	}
	return style{on: isTerminal(stream)}, nil
}
