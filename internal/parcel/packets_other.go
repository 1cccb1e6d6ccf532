//go:build !linux

package parcel

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
)

// Packets needs Linux.
type Packets struct{}

var errNoPackets = fmt.Errorf("%s lacks what a pipe is made of, sockets that keep messages apart and memory files: %w",
	runtime.GOOS, errors.ErrUnsupported)

// NewPackets returns an error that matches errors.ErrUnsupported.
func NewPackets(int64) (a, b *Packets, err error) { return nil, nil, errNoPackets }

// OpenPackets returns an error that matches errors.ErrUnsupported.
func OpenPackets(*os.File, int64) (*Packets, error) { return nil, errNoPackets }

// Send implements [Transport].
func (*Packets) Send(context.Context, *Parcel) error { return errNoPackets }

// Recv implements [Transport].
func (*Packets) Recv(context.Context) (Parcel, error) { return Parcel{}, errNoPackets }

// Poll implements [Transport].
func (*Packets) Poll(context.Context) error { return errNoPackets }

// Max implements [Transport].
func (*Packets) Max() int64 { return 0 }

// File returns nil.
func (*Packets) File() *os.File { return nil }

// Close implements [Transport].
func (*Packets) Close() error { return errNoPackets }
