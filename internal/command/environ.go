package command

import (
	"path/filepath"
	"runtime"
	"strings"
)

// environ returns base with the variables of extra beside or instead of its
// own, and with PWD for a directory. The slice may be base itself.
func environ(base, extra []string, dir string) []string {
	if dir != "" {
		if abs, err := filepath.Abs(dir); err == nil {
			extra = append([]string{"PWD=" + abs}, extra...)
		}
	}
	if len(extra) == 0 {
		return base
	}
	env := make([]string, 0, len(base)+len(extra))
	for _, kv := range base {
		if !hasVariable(extra, kv) {
			env = append(env, kv)
		}
	}
	for i, kv := range extra {
		if !hasVariable(extra[i+1:], kv) { // the last one counts
			env = append(env, kv)
		}
	}
	return env
}

// hasVariable reports whether env has a variable of the name that kv has.
func hasVariable(env []string, kv string) bool {
	name := variableName(kv)
	for _, other := range env {
		o := variableName(other)
		if o == name || runtime.GOOS == "windows" && strings.EqualFold(o, name) {
			return true
		}
	}
	return false
}

// variableName returns the part before the "=", which may not be the first
// byte: Windows has variables such as "=C:".
func variableName(kv string) string {
	if i := strings.IndexByte(kv[min(1, len(kv)):], '='); i >= 0 {
		return kv[:i+1]
	}
	return kv
}
