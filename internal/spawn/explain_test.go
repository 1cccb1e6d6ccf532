package spawn

import "testing"

func TestExplain(t *testing.T) {
	const cpu = "it used more processor time than its limit allows"
	exit2 := State{ExitCode: 2}
	for _, tt := range []struct {
		name        string
		stderr      string
		state       State
		before, now int
		want        Death
	}{
		{"nothing", "", State{}, 0, 0, Death{}},
		{"killed for memory", "", State{ExitCode: -1, Signal: "SIGKILL"}, 1, 2, Death{Reason: "the kernel killed it for want of memory", OOM: true}},
		{"killed by somebody", "", State{ExitCode: -1, Signal: "SIGKILL"}, 2, 2, Death{}},
		{"killed by us meanwhile", "", State{ExitCode: -1, Signal: "SIGKILL", Killed: true}, 1, 2, Death{}},
		{"ended by itself meanwhile", "", State{ExitCode: 1}, 1, 2, Death{}},
		{"processor time", "", State{ExitCode: -1, Signal: "SIGXCPU"}, 0, 0, Death{Reason: cpu}},
		{"file size", "", State{ExitCode: -1, Signal: "SIGXFSZ"}, 0, 0, Death{Reason: "it wrote a file larger than its limit allows"}},
		{"panic", "log\npanic: boom\n\ngoroutine 1 [running]:\n", exit2, 0, 0, Death{Reason: "panic: boom"}},
		{"panic in Windows' lines", "panic: boom\r\n", exit2, 0, 0, Death{Reason: "panic: boom"}},
		{"not at the beginning of a line", "no panic: boom\n", exit2, 0, 0, Death{}},
		{"another exit code", "panic: boom\n", State{ExitCode: 1}, 0, 0, Death{}},
		{"fatal error", "fatal error: concurrent map writes\n", exit2, 0, 0, Death{Reason: "fatal error: concurrent map writes"}},
		{"out of memory", "fatal error: runtime: out of memory\n", exit2, 0, 0, Death{Reason: "fatal error: runtime: out of memory", OOM: true}},
		{"no memory", "fatal error: runtime: cannot allocate memory\n", exit2, 0, 0, Death{Reason: "fatal error: runtime: cannot allocate memory", OOM: true}},
		{"no thread", "runtime/cgo: pthread_create failed: Resource temporarily unavailable\nSIGABRT: abort\n", exit2, 0, 0,
			Death{Reason: "runtime/cgo: pthread_create failed: Resource temporarily unavailable", Threadless: true}},
		{"no thread without cgo", "runtime: failed to create new OS thread (have 5 already; errno=11)\nfatal error: newosproc\n", exit2, 0, 0,
			Death{Reason: "runtime: failed to create new OS thread (have 5 already; errno=11)", Threadless: true}},
		{"stack", "runtime: goroutine stack exceeds 1000000000-byte limit\nfatal error: stack overflow\n", exit2, 0, 0, Death{Reason: "runtime: goroutine stack exceeds 1000000000-byte limit"}},
		{"runtime's signal", "SIGQUIT: quit\nPC=0x1\n", exit2, 0, 0, Death{Reason: "SIGQUIT: quit", Signal: "SIGQUIT"}},
		{"runtime's SIGXCPU", "SIGXCPU: cpu limit exceeded\n", exit2, 0, 0, Death{Reason: "SIGXCPU: " + cpu, Signal: "SIGXCPU"}},
		{"nil in the runtime", "SIGSEGV: segmentation violation\nPC=0x43623d m=0 sigcode=1 addr=0x0\n\ngoroutine 0 gp=0xfab020 m=0 mp=0xfac200 [idle]:\nruntime.(*spanQueue).tryDrain(0x400?, 0x0?, 0x0?)\n", exit2, 0, 0,
			Death{Reason: "SIGSEGV: segmentation violation", Signal: "SIGSEGV", InRuntime: true}},
		{"sent from outside", "SIGSEGV: segmentation violation\nPC=0x43623d m=0 sigcode=0 addr=0x2716\n\ngoroutine 0 gp=0xfab020 m=0 mp=0xfac200 [idle]:\nruntime.futex(0x400?)\n", exit2, 0, 0,
			Death{Reason: "SIGSEGV: segmentation violation", Signal: "SIGSEGV"}},
		{"not nil in the runtime", "SIGSEGV: segmentation violation\nPC=0x43623d m=0 sigcode=1 addr=0x123456\n\ngoroutine 0 gp=0xfab020 m=0 mp=0xfac200 [idle]:\nruntime.(*spanQueue).tryDrain(0x400?, 0x0?, 0x0?)\n", exit2, 0, 0,
			Death{Reason: "SIGSEGV: segmentation violation", Signal: "SIGSEGV"}},
		{"nil in C", "SIGSEGV: segmentation violation\nPC=0x43623d m=0 sigcode=1 addr=0x0\nsignal arrived during cgo execution\n\ngoroutine 1 gp=0xfab020 m=0 mp=0xfac200 [syscall]:\nruntime.cgocall(0x400?)\n", exit2, 0, 0,
			Death{Reason: "SIGSEGV: segmentation violation", Signal: "SIGSEGV"}},
		{"no signal", "SIGNAL LOST: really\nSIG\n", exit2, 0, 0, Death{}},
	} {
		if got := Explain(tt.stderr, tt.state, tt.before, tt.now); got != tt.want {
			t.Errorf("%s: Explain = %+v, want %+v", tt.name, got, tt.want)
		}
	}
}
