package multiprocessing

import (
	"os"

	"github.com/go-braid/braid/internal/spawn"
	"github.com/go-braid/braid/internal/wire"
	"golang.org/x/sys/unix"
)

// ringFiles is the number of descriptors of a ring.
const ringFiles = 5

func newLinks(ring bool, limit int64) (*links, error) {
	l := &links{}
	var err error
	if l.control, err = l.newStream(limit); err != nil {
		return nil, err
	}
	if ring {
		r, files, err := wire.NewRing(wire.DefaultRing, limit)
		if err == nil {
			l.data, l.ring = r, true
			l.child = append(l.child, files...)
			return l, nil
		}
		// No memory files, or no room for them: a socket does as well.
	}
	if l.data, err = l.newStream(limit); err != nil {
		_ = l.control.Close()
		l.closeChild()
		return nil, err
	}
	return l, nil
}

func inherited(ring bool, limit int64) (control *wire.Stream, data link, err error) {
	n := 2
	if ring {
		n = 1 + ringFiles
	}
	keep := make([]uintptr, n)
	for i := range keep {
		keep[i] = uintptr(3 + i)
	}
	spawn.CloseForeign(keep)
	if control, err = openStream(3, limit); err != nil {
		return nil, nil, err
	}
	if ring {
		files := make([]*os.File, ringFiles)
		for i := range files {
			unix.CloseOnExec(4 + i)
			files[i] = os.NewFile(uintptr(4+i), "link")
		}
		r, err := wire.OpenRing(files, limit)
		return control, r, err
	}
	s, err := openStream(4, limit)
	return control, s, err
}
