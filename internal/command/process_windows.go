package command

import (
	"os"
	"syscall"
)

var sysProcAttr *syscall.SysProcAttr

// signalGroup kills the process itself. Any other signal is not supported.
func signalGroup(proc *os.Process, sig syscall.Signal) error {
	if sig != syscall.SIGKILL {
		return errUnsupported
	}
	return proc.Kill()
}

func exitStatus(state *os.ProcessState) (code int, signal string) {
	return state.ExitCode(), ""
}

func maxRSS(*os.ProcessState) int64 { return 0 }

// The signals that a sequence can name, so that a sequence means the same text
// everywhere.
var signals = map[string]syscall.Signal{
	"SIGHUP":  syscall.SIGHUP,
	"SIGINT":  syscall.SIGINT,
	"SIGQUIT": syscall.SIGQUIT,
	"SIGTERM": syscall.SIGTERM,
	"SIGKILL": syscall.SIGKILL,
}

func signalName(sig syscall.Signal) string {
	for name, s := range signals {
		if s == sig {
			return name
		}
	}
	return sig.String()
}

func signalByName(name string) syscall.Signal { return signals[name] }
