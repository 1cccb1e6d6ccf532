//go:build !linux

package multiprocessing

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
)

// packets needs Linux.
type packets struct{ file *os.File }

var errNoPackets = fmt.Errorf("multiprocessing: %s lacks what a pipe is made of: sockets that keep messages apart, and memory files: %w",
	runtime.GOOS, errors.ErrUnsupported)

func newPackets(int64) (a, b *packets, err error)       { return nil, nil, errNoPackets }
func packetsOf(net.Conn, int64) (*packets, error)       { return nil, errNoPackets }
func openPackets(*os.File, int64) (*packets, error)     { return nil, errNoPackets }
func (p *packets) send(context.Context, *parcel) error  { return errNoPackets }
func (p *packets) recv(context.Context) (parcel, error) { return parcel{}, errNoPackets }
func (p *packets) poll(context.Context) error           { return errNoPackets }
func (p *packets) close() error                         { return errNoPackets }
