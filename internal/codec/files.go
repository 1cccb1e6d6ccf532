package codec

import (
	"errors"
	"os"
	"reflect"
	"sync"
)

// Files travel beside the bytes of a value. The methods MarshalCBOR and UnmarshalCBOR of
// a type that holds a file have no argument for that, so while one value with files is
// written no other one is, and the same for reading.
var attaching, taking struct {
	sync.Mutex
	active bool
	files  []*os.File
}

// A Carrier marks a type whose values hold open files: it embeds one. The methods
// MarshalCBOR and UnmarshalCBOR of such a type call [AttachFile] and [TakeFile].
type Carrier struct{}

func (Carrier) carrier() {}

func carries(t reflect.Type) bool {
	type carrier interface{ carrier() }
	return t.Kind() == reflect.Struct && t.Implements(reflect.TypeFor[carrier]())
}

// closeFiles closes those that nobody has taken.
func closeFiles(files []*os.File) {
	for _, f := range files {
		if f != nil {
			_ = f.Close()
		}
	}
}

var errNoMessage = errors.New("the value holds an open file: it travels only in the argument or result of a call and in messages between processes")

// AttachFile has f travel with the value that is being written, and returns the number
// by which TakeFile finds it. F must stay open as long as the value is in use.
func AttachFile(f *os.File) (number int, err error) {
	if !attaching.active {
		return 0, errNoMessage
	}
	attaching.files = append(attaching.files, f)
	return len(attaching.files) - 1, nil
}

// TakeFile returns a file that came with the value that is being read. It is the
// caller's from now on.
func TakeFile(number int) (*os.File, error) {
	if !taking.active {
		return nil, errNoMessage
	}
	if number < 0 || number >= len(taking.files) || taking.files[number] == nil {
		return nil, errors.New("an open file that should have come with the value is missing")
	}
	f := taking.files[number]
	taking.files[number] = nil
	return f, nil
}
