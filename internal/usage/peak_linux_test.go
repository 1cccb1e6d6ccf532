package usage

import (
	"os"
	"testing"
)

func TestHighWaterMark(t *testing.T) {
	for _, c := range []struct {
		name, status string
		want         int64
		ok           bool
	}{
		{"as the kernel writes it", "Name:\tx\nVmPeak:\t    3060 kB\nVmHWM:\t    1748 kB\nVmRSS:\t    1 kB\n", 1748 << 10, true},
		{"last line without its end", "VmHWM: 2 kB", 2048, true},
		{"no such line", "VmRSS:\t 1 kB\n", 0, false},
		{"empty", "", 0, false},
		{"no number", "VmHWM:\t many kB\n", 0, false},
		{"negative", "VmHWM:\t -1 kB\n", 0, false},
		{"another unit", "VmHWM:\t 1 MB\n", 0, false},
		{"no unit", "VmHWM:\t 1\n", 0, false},
		{"more than bytes can count", "VmHWM:\t 9007199254740992 kB\n", 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, ok := highWaterMark([]byte(c.status))
			if got != c.want || ok != c.ok {
				t.Errorf("got %d, %v; want %d, %v", got, ok, c.want, c.ok)
			}
		})
	}
}

func FuzzHighWaterMark(f *testing.F) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(status)
	f.Add([]byte("VmHWM:\t 1748 kB"))
	f.Fuzz(func(t *testing.T, status []byte) {
		if got, ok := highWaterMark(status); got < 0 || !ok && got != 0 {
			t.Errorf("got %d, %v", got, ok)
		}
	})
}
