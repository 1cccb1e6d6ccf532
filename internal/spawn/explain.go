package spawn

import "strings"

// A Death is what is known of why a process ended.
type Death struct {
	Reason string // such as "fatal error: concurrent map writes"; empty if nothing is known
	Signal string // the signal that the Go runtime says it ended by, where that is not the state's
	OOM    bool   // whether it was for want of memory

	// InRuntime says that the Go runtime itself has followed a nil pointer. That is
	// how it ends, as a rule, at a limit of memory, where it did not look whether it
	// got any: a queue of the garbage collector's, for one, in Go 1.26
	// (runtime.newSpanSPMC).
	InRuntime bool

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
				return Death{Reason: name + ": " + what, Signal: name, InRuntime: name == "SIGSEGV" && isNilInRuntime(stderr)}
			}
		}
	}
	return Death{}
}

// isNilInRuntime reports whether the Go runtime says that it has used an address near 0
// in its own code, on a thread's own stack, which is goroutine 0:
//
//	PC=0x43623d m=0 sigcode=1 addr=0x0
//
//	goroutine 0 gp=0xfab020 m=0 mp=0xfac200 [idle]:
//	runtime.(*spanQueue).tryDrain(…)
func isNilInRuntime(stderr string) bool {
	var at []string // from the line with the address on
	for line := range strings.Lines(stderr) {
		line = strings.TrimRight(line, "\r\n")
		if at != nil || strings.HasPrefix(line, "PC=0x") {
			at = append(at, line)
		}
		if len(at) == 4 {
			_, addr, _ := strings.Cut(at[0], " addr=0x")
			// A signal that somebody has sent has code 0, and his number for an address.
			return strings.Contains(at[0], " sigcode=1 ") && addr != "" && len(addr) <= 4 && at[1] == "" &&
				strings.HasPrefix(at[2], "goroutine 0 ") && strings.HasPrefix(at[3], "runtime.")
		}
	}
	return false
}
