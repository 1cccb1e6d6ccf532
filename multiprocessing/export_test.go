package multiprocessing

import (
	"fmt"
	"os"
	"reflect"

	"github.com/go-braid/braid/internal/codec"
)

// Reopen writes from and reads it as to, as if it had travelled.
func Reopen[A, B any](from A, to B) error {
	c, err := codec.For(reflect.TypeFor[A]())
	if err != nil {
		return err
	}
	b, _, files, err := codec.Append(c, nil, &from)
	if err != nil {
		return err
	}
	var dups []*os.File
	for _, f := range files {
		d, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), os.O_RDWR, 0)
		if err != nil {
			return err
		}
		dups = append(dups, d)
	}
	c, err = codec.For(reflect.TypeFor[B]())
	if err != nil {
		return err
	}
	return codec.Decode(c, b, true, dups, &to)
}

// SetStep has f called between the steps of operations of queues.
func SetStep(f func(name string)) { step = f }

// Memory returns the memory of a shared object.
func Memory(o interface{ memory() []byte }) []byte { return o.memory() }

func (s shared) memory() []byte { return s.h.region.Bytes() }
