package spawn

import (
	"bytes"
	"os"
	"path"
	"strconv"
	"strings"
)

// OOMKills returns how many processes the kernel has killed for want of memory in the
// control group of this process, or 0 where that cannot be known.
func OOMKills() int {
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(own)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		var file string
		switch {
		case parts[1] == "": // version 2
			file = path.Join("/sys/fs/cgroup", parts[2], "memory.events")
		case strings.Contains(","+parts[1]+",", ",memory,"):
			file = path.Join("/sys/fs/cgroup/memory", parts[2], "memory.oom_control")
		default:
			continue
		}
		b, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		for line := range bytes.Lines(b) {
			if n, ok := bytes.CutPrefix(line, []byte("oom_kill ")); ok {
				kills, _ := strconv.Atoi(string(bytes.TrimSpace(n)))
				return kills
			}
		}
	}
	return 0
}
