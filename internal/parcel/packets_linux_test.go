package parcel

import (
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// TestFilesCutOff: the system could not give all files, since this process has too many.
func TestFilesCutOff(t *testing.T) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	packet := []byte{byte(Value), 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	_, err = parsePacket(packet, []*os.File{null}, unix.MSG_CTRUNC, 1<<20)
	if !errors.Is(err, unix.EMFILE) || null.Close() == nil {
		t.Errorf("files that were cut off: %v", err)
	}
}
