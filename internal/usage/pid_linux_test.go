package usage

import (
	"errors"
	"os"
	"os/exec"
	"testing"
)

func TestOfPID(t *testing.T) {
	self, ok := Self()
	cpu, peak, ok2 := OfPID(os.Getpid())
	if !ok || !ok2 || cpu < self.CPU() || peak <= 0 {
		t.Fatalf("this process has used %v, and then %v with a peak of %d; %v, %v", self.CPU(), cpu, peak, ok, ok2)
	}

	// A child that waits for its input, and then is gone.
	cmd := exec.Command("cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if cpu, peak, ok := OfPID(cmd.Process.Pid); !ok || cpu < 0 || peak <= 0 {
		t.Errorf("a child: %v, %d, %v", cpu, peak, ok)
	}
	if err := ResetPeakOfPID(cmd.Process.Pid); err != nil {
		t.Error(err)
	}
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if cpu, peak, ok := OfPID(cmd.Process.Pid); ok || cpu != 0 || peak != 0 {
		t.Errorf("a child that is gone: %v, %d, %v", cpu, peak, ok)
	}
	if err := ResetPeakOfPID(cmd.Process.Pid); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("resetting the peak of one that is gone: %v", err)
	}
}
