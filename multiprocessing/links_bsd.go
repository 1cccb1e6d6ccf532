//go:build unix && !linux

package multiprocessing

import (
	"github.com/go-braid/braid/internal/wire"
)

func newLinks(_ bool, limit int64) (*links, error) {
	l := &links{}
	var err error
	if l.control, err = l.newStream(limit); err != nil {
		return nil, err
	}
	if l.data, err = l.newStream(limit); err != nil {
		_ = l.control.Close()
		l.closeChild()
		return nil, err
	}
	return l, nil
}

func inherited(_ bool, limit int64) (control *wire.Stream, data link, err error) {
	if control, err = openStream(3, limit); err != nil {
		return nil, nil, err
	}
	s, err := openStream(4, limit)
	return control, s, err
}
