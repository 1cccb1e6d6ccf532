package template

import (
	"os/exec"
	"strings"
)

// Quote returns s as one word of a POSIX shell, unchanged where that is safe.
func Quote(s string) string {
	const safe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:,+@%"
	rest := strings.TrimLeft(s, safe)
	if s != "" && (rest == "" || strings.HasPrefix(s, "-") && strings.Trim(rest, safe+"=") == "") {
		return s
	}
	return asWord.apply(s)
}

// Join returns arguments as a line that a POSIX shell reads as these arguments
// again, for messages that a person copies.
func Join(args []string) string {
	var b strings.Builder
	for i, arg := range args {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(Quote(arg))
	}
	return b.String()
}

// LooksLikeShell reports whether the command line was most likely meant for a
// shell: the name of the program holds spaces, operators, quotes, variables or
// patterns, or is an assignment, and there is no program of that name. It looks
// for one in the file system.
//
// The command for such arguments is Parse(args, Options{Shell: true}), and
// Quote(strings.Join(args, " ")) is how to write its script.
func LooksLikeShell(args []string) bool {
	if len(args) == 0 {
		return false
	}
	// Placeholders may hold what looks like shell.
	parts, err := parseArg(args[0], Options{Columns: true, Keys: true})
	if err != nil {
		return false
	}
	name := ""
	for _, p := range parts {
		if p.kind == literal {
			name += p.text
		}
	}
	if !strings.ContainsAny(name, " \t\n|&;<>()$`'\"*?[~") && !isAssignment(name) {
		return false
	}
	_, err = exec.LookPath(args[0])
	return err != nil
}

// isAssignment reports whether s starts with a variable's name and an equals sign.
func isAssignment(s string) bool {
	name, _, ok := strings.Cut(s, "=")
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
	return ok && name != "" && !isDigit(name[0]) && strings.Trim(name, letters+"0123456789") == ""
}
