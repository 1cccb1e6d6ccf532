package machine

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// files writes a tree of files, which is what the kernel tells in a test.
func files(t *testing.T, tree map[string]string) source {
	t.Helper()
	dir := t.TempDir()
	for name, text := range tree {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return source{proc: filepath.Join(dir, "proc"), root: dir}
}

const (
	meminfo = "MemTotal:       1000000 kB\nMemFree:          1000 kB\nMemAvailable:     800000 kB\n"
	v2      = "30 24 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
	v1      = "31 24 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n32 24 0:28 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
)

func TestMemory(t *testing.T) {
	const total = 1000000 << 10
	for name, c := range map[string]struct {
		tree map[string]string
		want Memory
	}{
		"no groups": {map[string]string{"proc/meminfo": meminfo}, Memory{Available: 800000 << 10, Total: total}},
		"version 2": {map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "0::/a/b\n", "proc/self/mountinfo": v2,
			"sys/fs/cgroup/a/memory.max": "5000000\n", "sys/fs/cgroup/a/memory.current": "3000000\n",
			"sys/fs/cgroup/a/memory.stat":  "anon 1\ninactive_file 1000000\n",
			"sys/fs/cgroup/a/b/memory.max": "max\n", "sys/fs/cgroup/a/b/memory.current": "10\n",
		}, Memory{Available: 3000000, Limit: 5000000, Total: total}},
		"more than its limit": {map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "0::/\n", "proc/self/mountinfo": v2,
			"sys/fs/cgroup/memory.max": "5000000", "sys/fs/cgroup/memory.current": "6000000",
		}, Memory{Available: 0, Limit: 5000000, Total: total}},
		"version 1": {map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "9:cpu,cpuacct:/x\n4:memory:/x\n", "proc/self/mountinfo": v1,
			"sys/fs/cgroup/memory/x/memory.limit_in_bytes": "7000000", "sys/fs/cgroup/memory/x/memory.usage_in_bytes": "4000000",
			"sys/fs/cgroup/memory/x/memory.stat":         "inactive_file 5\ntotal_inactive_file 500000\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
		}, Memory{Available: 3500000, Limit: 7000000, Total: total}},
		// A container whose own group is what the mount shows.
		"a part of the hierarchy": {map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "0::/docker/1\n",
			"proc/self/mountinfo":      "30 24 0:26 /docker/1 /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n",
			"sys/fs/cgroup/memory.max": "5000000", "sys/fs/cgroup/memory.current": "1000000",
		}, Memory{Available: 4000000, Limit: 5000000, Total: total}},
		"outside of what is shown": {map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "0::/../other\n", "proc/self/mountinfo": v2,
			"sys/fs/cgroup/memory.max": "5000000", "sys/fs/cgroup/memory.current": "1000000",
		}, Memory{Available: 4000000, Limit: 5000000, Total: total}},
		"more than there is": {map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "0::/\n", "proc/self/mountinfo": v2,
			"sys/fs/cgroup/memory.max": "1000000000000", "sys/fs/cgroup/memory.current": "1000000",
		}, Memory{Available: 800000 << 10, Total: total}},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := files(t, c.tree).memory(); err != nil || got != c.want {
				t.Errorf("memory = %+v, %v; want %+v", got, err, c.want)
			}
		})
	}
}

func TestLoad(t *testing.T) {
	got, err := files(t, map[string]string{"proc/stat": "cpu  1 2 3\ncpu0 1 2\nprocs_running 5\nprocs_blocked 2\nsoftirq 1 2\n"}).load()
	if want := (Load{Running: 4, Blocked: 2}); err != nil || got != want || got.Threads() != 6 {
		t.Errorf("load = %+v, %v; want %+v", got, err, want)
	}
}

func TestQuota(t *testing.T) {
	for name, c := range map[string]struct {
		tree map[string]string
		want float64
	}{
		"version 2": {map[string]string{
			"proc/self/cgroup": "0::/a/b\n", "proc/self/mountinfo": v2,
			"sys/fs/cgroup/a/cpu.max": "300000 100000\n", "sys/fs/cgroup/a/b/cpu.max": "150000 100000\n",
		}, 1.5},
		"without": {map[string]string{
			"proc/self/cgroup": "0::/a\n", "proc/self/mountinfo": v2, "sys/fs/cgroup/a/cpu.max": "max 100000\n",
		}, 0},
		"version 1": {map[string]string{
			"proc/self/cgroup": "9:cpu,cpuacct:/x\n", "proc/self/mountinfo": v1,
			"sys/fs/cgroup/cpu/x/cpu.cfs_quota_us": "50000", "sys/fs/cgroup/cpu/x/cpu.cfs_period_us": "100000",
			"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
		}, 0.5},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := files(t, c.tree).quota(); err != nil || got.Processors != c.want {
				t.Errorf("quota = %v, %v; want %v", got, err, c.want)
			}
		})
	}
}

// What is not told is an error that says so.
func TestUnknown(t *testing.T) {
	for name, tree := range map[string]map[string]string{
		"nothing": {},
		"in part": {"proc/meminfo": "MemTotal: 5 kB\n", "proc/stat": "cpu 1\n"},
	} {
		s := files(t, tree)
		if _, err := s.memory(); !errors.Is(err, ErrUnknown) {
			t.Errorf("%s: memory: %v", name, err)
		}
		if _, err := s.load(); !errors.Is(err, ErrUnknown) {
			t.Errorf("%s: load: %v", name, err)
		}
		if _, err := s.quota(); !errors.Is(err, ErrUnknown) {
			t.Errorf("%s: quota: %v", name, err)
		}
	}
}

// This machine tells.
func TestHere(t *testing.T) {
	m, err := ReadMemory()
	if err != nil || m.Available <= 0 || m.Available > m.Total || m.Limit > m.Total {
		t.Errorf("memory = %+v, %v", m, err)
	}
	l, err := ReadLoad()
	if err != nil || l.Running < 0 || l.Blocked < 0 {
		t.Errorf("load = %+v, %v", l, err)
	}
}
