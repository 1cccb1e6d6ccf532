package tasks

import (
	"math/rand/v2"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/go-braid/braid/internal/proctest"
)

func TestGzipOnFullDisk(t *testing.T) {
	dir := proctest.Tmpfs(t, "size=64k")
	workIn(t, map[string]string{"a": string(random(rand.New(rand.NewPCG(1, 2)), 1<<20, "0123456789abcdef"))})
	_, err := run(t.Context(), Gzip, GzipInput{Path: "a", Out: dir})
	wantFileError(t, err, filepath.Join(dir, "a.gz"), syscall.ENOSPC, "free some space on the file system of "+dir)
	if got := list(t, dir); got != "" {
		t.Errorf("left behind: %s", got)
	}
}
