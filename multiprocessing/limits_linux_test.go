package multiprocessing_test

import (
	"context"
	"errors"
	"syscall"
	"testing"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/internal/proctest"
	"github.com/go-braid/braid/multiprocessing"
)

// TestFullDisk: where there is no room for files, calls have their values all the same.
func TestFullDisk(t *testing.T) {
	ctx := context.Background()
	dir := proctest.Tmpfs(t, "size=1m")
	p := newPool(t, multiprocessing.Config{Workers: 2, Dir: dir, Env: append(multiprocessing.DefaultEnv, "TMPDIR="+dir), Output: hush})
	stop := beside(t, p)
	for range 3 {
		if _, err := outcome(t, braid.Submit(ctx, p, writeFile, dir+"/f")); !errors.Is(err, syscall.ENOSPC) {
			t.Error(err)
		}
		if b, err := outcome(t, braid.Submit(ctx, p, echo, make([]byte, 8<<20))); err != nil || len(b) != 8<<20 {
			t.Errorf("%d bytes, %v", len(b), err)
		}
	}
	stop()
	if err := p.Close(ctx); err != nil {
		t.Error(err)
	}
}
