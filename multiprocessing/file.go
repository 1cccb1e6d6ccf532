package multiprocessing

import (
	"errors"
	"os"

	"github.com/go-braid/braid/internal/codec"
)

// A File is an open file, socket or pipe that can travel to another process: in the
// argument or result of a call, or in a message on a [Conn] that can carry it. It
// arrives as another descriptor of the same open file: both have one position in it.
// Who has received it closes it; who has sent it closes his own, once the call is
// complete or Send has returned. A File without a file inside arrives as such.
//
// Windows cannot pass open files, and connections over a network cannot: there an error
// says so, which matches errors.ErrUnsupported.
type File struct {
	codec.Carrier
	*os.File
}

// MarshalCBOR writes f for its way to another process. It fails elsewhere.
func (f File) MarshalCBOR() ([]byte, error) {
	if f.File == nil {
		return cborBytes(nil), nil
	}
	n, err := codec.AttachFile(f.File)
	if err != nil {
		return nil, err
	}
	return cborBytes([]byte{byte(n)}), nil
}

// UnmarshalCBOR reads what MarshalCBOR has written.
func (f *File) UnmarshalCBOR(b []byte) error {
	b, err := parseCBORBytes(b)
	if err != nil {
		return err
	}
	switch len(b) {
	case 0:
		f.File = nil
		return nil
	case 1:
		f.File, err = codec.TakeFile(int(b[0]))
		return err
	}
	return errors.New("it is no open file")
}

// maxCBORBytes is the length up to which cborBytes writes.
const maxCBORBytes = 23

// cborBytes writes a short byte string in CBOR.
func cborBytes(b []byte) []byte { return append([]byte{0x40 | byte(len(b))}, b...) }

// parseCBORBytes reads it.
func parseCBORBytes(b []byte) ([]byte, error) {
	if len(b) == 0 || b[0] < 0x40 || b[0] > 0x40|maxCBORBytes || int(b[0]&0x1f) != len(b)-1 {
		return nil, errors.New("it is not written as it should be")
	}
	return b[1:], nil
}
