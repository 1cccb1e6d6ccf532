package multiprocessing

import (
	"os"

	"github.com/go-braid/braid/internal/wire"
)

// links are the two links of a worker: the program's ends, and the descriptors of the
// worker's ends, which it is started with from number 3 on.
//
// Every system defines newLinks, which makes them, with a ring for data if that is
// asked for and possible; and inherited, which finds the ends in the worker.
type links struct {
	control *wire.Stream
	data    link
	child   []*os.File
	ring    bool
	env     []string // what the worker needs to know to find its ends
}

// closeChild closes this process's copies of the worker's descriptors.
func (l *links) closeChild() {
	for _, f := range l.child {
		_ = f.Close()
	}
}

// closeParent closes the program's ends.
func (l *links) closeParent() {
	_ = l.control.Close()
	_ = l.data.Close()
}
