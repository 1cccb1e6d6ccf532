package multiprocessing

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/go-braid/braid/internal/wire"
)

// handlesEnv is the variable by which a worker learns the handles of its pipes.
const handlesEnv = "BRAID_HANDLES"

// A duplex is two pipes as one connection.
type duplex struct{ in, out *os.File }

func (d duplex) Read(b []byte) (int, error)  { return d.in.Read(b) }
func (d duplex) Write(b []byte) (int, error) { return d.out.Write(b) }
func (d duplex) Close() error                { return errors.Join(d.in.Close(), d.out.Close()) }

func newLinks(_ bool, limit int64) (*links, error) {
	l := &links{}
	var mine [2]duplex
	for i := range mine {
		var err error
		if mine[i], err = l.newDuplex(); err != nil {
			if i > 0 {
				_ = mine[0].Close()
			}
			l.closeChild()
			return nil, err
		}
	}
	l.control, l.data = wire.NewStream(mine[0], limit), wire.NewStream(mine[1], limit)
	var handles []string
	for _, f := range l.child {
		handles = append(handles, strconv.FormatUint(uint64(f.Fd()), 10))
	}
	l.env = []string{handlesEnv + "=" + strings.Join(handles, ",")}
	return l, nil
}

func (l *links) newDuplex() (d duplex, err error) {
	toWorker, out, err := os.Pipe()
	if err != nil {
		return d, err
	}
	in, fromWorker, err := os.Pipe()
	if err != nil {
		_ = toWorker.Close()
		_ = out.Close()
		return d, err
	}
	l.child = append(l.child, toWorker, fromWorker)
	return duplex{in: in, out: out}, nil
}

func inherited(_ bool, limit int64) (control *wire.Stream, data link, err error) {
	parts := strings.Split(os.Getenv(handlesEnv), ",")
	_ = os.Unsetenv(handlesEnv)
	if len(parts) != 4 {
		return nil, nil, fmt.Errorf("the variable %s does not name 4 handles", handlesEnv)
	}
	var files [4]*os.File
	for i, p := range parts {
		h, err := strconv.ParseUint(p, 10, 64)
		if err != nil {
			return nil, nil, fmt.Errorf("the variable %s: %w", handlesEnv, err)
		}
		files[i] = os.NewFile(uintptr(h), "link")
	}
	return wire.NewStream(duplex{files[0], files[1]}, limit), wire.NewStream(duplex{files[2], files[3]}, limit), nil
}
