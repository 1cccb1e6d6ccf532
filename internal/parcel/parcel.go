// Package parcel carries messages between processes: what is inside the connections of
// package multiprocessing. A [Transport] carries parcels; [Packets] is the one that needs
// no network.
package parcel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/go-braid/braid/internal/codec"
)

// A Parcel is a message on its way: to be sent, it is Small, which begins with room for a
// header, followed by Bulk; received, it is Small, which is the receiver's, as the files
// are.
type Parcel struct {
	Kind  Kind
	Shape codec.Shape
	Small []byte
	Bulk  []byte
	Files []*os.File
}

// HeaderSize is the room for a header at the beginning of a parcel.
const HeaderSize = 16

// Size is the length of a message that is to be sent.
func (p *Parcel) Size() int64 { return int64(len(p.Small)-HeaderSize) + int64(len(p.Bulk)) }

// Close closes the files.
func (p *Parcel) Close() { closeFiles(p.Files) }

func closeFiles(files []*os.File) {
	for _, f := range files {
		_ = f.Close()
	}
}

// A Kind says what a message is.
type Kind uint8

// The kinds of messages.
const (
	Bytes Kind = 1 + iota
	Value
)

// A Transport is one end of a channel for parcels. Any number of strands may use it.
type Transport interface {
	// Send sends a parcel as a whole. If ctx is done first, it returns strand.Err(ctx)
	// and has sent nothing. It returns an error that matches ErrPeerGone if nobody has
	// the other end.
	Send(ctx context.Context, p *Parcel) error

	// Recv receives a parcel. If ctx is done first it returns strand.Err(ctx) and has
	// taken nothing. At the end it returns io.EOF.
	Recv(ctx context.Context) (Parcel, error)

	// Poll waits until Recv need not wait.
	Poll(ctx context.Context) error

	// Max is the size of the largest message, in bytes.
	Max() int64

	// Close ends it. Those who wait get an error.
	Close() error
}

// Errors of transports.
var (
	// ErrTooLarge says that a message is too large.
	ErrTooLarge = errors.New("multiprocessing: the message is too large")
	// ErrPeerGone says that nobody has the other end any more. It matches
	// io.ErrClosedPipe.
	ErrPeerGone = fmt.Errorf("nobody has the other end any more: %w", io.ErrClosedPipe)
	// ErrNonsense says that the other side sent what makes no sense.
	ErrNonsense = errors.New("the other side sent what makes no sense")
)

// LongAgo is a deadline that is over.
var LongAgo = time.Unix(1, 0)
