package record

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"time"
)

// Limits of the first line.
const (
	maxArg  = 4 << 10
	maxArgs = 64 << 10 // of all of them together
)

// filled returns the run with what it leaves out.
func (r Run) filled(wall time.Time) Run {
	r.Schema = Schema
	r.Wall = wall.Round(0)
	set(&r.ID, NewID)
	set(&r.Braid, braidVersion)
	set(&r.Go, runtime.Version)
	set(&r.OS, func() string { return runtime.GOOS })
	set(&r.Arch, func() string { return runtime.GOARCH })
	set(&r.Host, func() string { name, _ := os.Hostname(); return name })
	set(&r.Dir, func() string { dir, _ := os.Getwd(); return dir })
	if r.PID == 0 {
		r.PID = os.Getpid()
	}
	if r.CPUs == 0 {
		r.CPUs = runtime.GOMAXPROCS(0)
	}
	args, size := r.Args, 0
	r.Args = nil
	for _, a := range args {
		if size > maxArgs {
			r.Args = append(r.Args, "…")
			break
		}
		a = cut(a, maxArg)
		size += len(a)
		r.Args = append(r.Args, a)
	}
	return r
}

func set(s *string, f func() string) {
	if *s == "" {
		*s = f()
	}
}

// braidVersion returns the version of this module in the program.
var braidVersion = sync.OnceValue(func() string {
	const module = "github.com/go-braid/braid"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	if info.Main.Path == module {
		return info.Main.Version
	}
	for _, d := range info.Deps {
		if d.Path == module {
			return d.Version
		}
	}
	return ""
})

// Key returns what an input is known by, in 32 hexadecimal digits: the same for the same
// input to the same task, wherever it stands among the inputs. TaskHash is [Run.Hash]; a
// run with other parameters has another one, and so no keys in common.
func Key(taskHash string, input []byte) string {
	h := sha256.New()
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(len(taskHash)))
	_, _ = h.Write(n[:])
	_, _ = h.Write([]byte(taskHash))
	_, _ = h.Write(input)
	return hex.EncodeToString(h.Sum(nil)[:16])
}
