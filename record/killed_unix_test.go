//go:build unix

package record_test

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/go-braid/braid/record"
)

// TestKilled kills a program that records, at a random moment, again and again. The log can be
// read, and has every call of which the program knew that it is written.
func TestKilled(t *testing.T) {
	times := 100
	if testing.Short() {
		times = 10
	}
	const seed = 7
	rng := rand.New(rand.NewPCG(seed, 0))
	path := filepath.Join(t.TempDir(), "run.ndjson")
	for n := range times {
		flushed := killAfter(t, path, rng.IntN(20), rng.IntN(10_000))
		r, err := record.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		seen := make(map[int]bool)
		for {
			l, err := r.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("seed %d, kill %d: %v", seed, n, err)
			}
			if s, ok := l.(*record.Span); ok {
				seen[s.Input] = true
			}
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		for i := range flushed + 1 {
			if !seen[i] {
				t.Fatalf("seed %d, kill %d: call %d was written, and is not in the log", seed, n, i)
			}
		}
		info, err := record.Stat(path)
		if err != nil || info.State != record.Died || info.End != nil {
			t.Fatalf("seed %d, kill %d: Stat = %+v, %v; want one that died", seed, n, info, err)
		}
	}
}

// killAfter has a program record into path, and kills it when it has said so many lines and the
// test has counted a little further. It returns the number of the last call that was written.
func killAfter(t *testing.T, path string, said, count int) (flushed int) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), victimEnv+"="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	flushed = -1
	take := func() bool {
		if !lines.Scan() {
			return false
		}
		if _, err := fmt.Sscanf(lines.Text(), "flushed %d", &flushed); err != nil {
			t.Errorf("the program says %q", lines.Text())
		}
		return true
	}
	for range said + 1 { // the first one says that the file is there
		if !take() {
			t.Fatal("the program has ended")
		}
	}
	for range count {
		killSink++
	}
	if info, err := record.Stat(path); err != nil || info.State != record.Running {
		t.Errorf("Stat = %+v, %v; want one that runs", info, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for take() { // what it has said before it died
	}
	_ = cmd.Wait()
	return flushed
}

var killSink int
