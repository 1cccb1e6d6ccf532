package cli

import (
	"fmt"
	"strings"
)

// leaks are the inputs whose commands left a process behind that held their output.
type leaks struct {
	count int
	some  []string // of them
}

func (l *leaks) note(r *result) {
	c, ok := r.value.(*commandResult)
	if !ok || !c.Leaked {
		return
	}
	l.count++
	if len(l.some) < 3 {
		l.some = append(l.some, shorten(r.item.Text, 60))
	}
}

// remark says it for people, or nothing.
func (l *leaks) remark() string {
	if l.count == 0 {
		return ""
	}
	who, more := strings.Join(l.some, ", "), ""
	if l.count > len(l.some) {
		more = ", …"
	}
	return fmt.Sprintf("%s left a process behind that holds its output: %s%s; what that writes is lost", plural(l.count, "command"), who, more)
}
