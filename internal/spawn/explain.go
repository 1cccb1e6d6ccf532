package spawn

import (
	"strings"
)

// A Death is what is known of why a process ended.
type Death struct {
	Reason string // such as "fatal error: concurrent map writes"; empty if nothing is known
	Signal string // the signal that the Go runtime says it ended by, where that is not the state's
	OOM    bool   // whether it was for want of memory

	// Threadless says that the process could not have another thread, which is for want
	// of memory if that is limited: a thread needs a stack.
	Threadless bool
}

// Explain tells from how a process ended, and from the last that it wrote to its standard
// error, why. Kills are those of the kernel's that a process suffered for want of memory
// while this one lived, as [OOMKills] counts them: before it was started, and now.
func Explain(stderr string, st State, killsBefore, killsNow int) Death {
	if st.Signal == "SIGKILL" && !st.Killed && killsNow > killsBefore {
		return Death{Reason: "the kernel killed it for want of memory", OOM: true}
	}
	switch st.Signal {
	case "SIGXCPU":
		return Death{Reason: "it used more processor time than its limit allows"}
	case "SIGXFSZ":
		return Death{Reason: "it wrote a file larger than its limit allows"}
	}
	// Go ends with 2 after a panic or a fatal error, and has said so.
	if st.ExitCode != 2 {
		return Death{}
	}
	for line := range strings.Lines(stderr) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case strings.HasPrefix(line, "runtime/cgo: pthread_create failed: "), strings.HasPrefix(line, "runtime: failed to create new OS thread"):
			return Death{Reason: line, Threadless: true}
		case strings.HasPrefix(line, "panic: "), strings.HasPrefix(line, "runtime: goroutine stack exceeds"):
			return Death{Reason: line}
		case strings.HasPrefix(line, "fatal error: "):
			oom := strings.Contains(line, "out of memory") || strings.Contains(line, "cannot allocate memory")
			return Death{Reason: line, OOM: oom}
		case strings.HasPrefix(line, "SIG"):
			if name, what, ok := strings.Cut(line, ": "); ok && !strings.Contains(name, " ") {
				if name == "SIGXCPU" {
					what = "it used more processor time than its limit allows"
				}
				return Death{Reason: name + ": " + what, Signal: name}
			}
		}
	}
	return Death{}
}
