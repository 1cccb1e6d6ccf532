package connection_test

import (
	"net"
	"os"
	"slices"
	"testing"

	"github.com/go-braid/braid/internal/proctest"
	"github.com/go-braid/braid/multiprocessing/connection"
	"golang.org/x/sys/unix"
)

// TestStrangerSendsFiles: files that come before the key is proved are not taken.
func TestStrangerSendsFiles(t *testing.T) {
	proctest.Check(t)
	refused := make(refusals, 1)
	l := listen(t, "unix", connection.Config{Refused: refused.add})
	c := bare(t, l).(*net.UnixConn)
	null, err := os.Open(os.DevNull)
	must(t, err)
	defer null.Close()
	raw, err := null.SyscallConn()
	must(t, err)
	must(t, raw.Control(func(fd uintptr) {
		_, _, err = c.WriteMsgUnix(make([]byte, 84), unix.UnixRights(slices.Repeat([]int{int(fd)}, 200)...), nil)
	}))
	must(t, err)
	if err := <-refused; err == nil {
		t.Error("a stranger was not refused")
	}
}
