package asyncio

import (
	"context"
	"errors"
	"io"
)

// ErrOutputLimit says that a process wrote more than [Process.Communicate] keeps.
var ErrOutputLimit = errors.New("asyncio: the process wrote more than Command.OutputLimit")

// Communicate gives input to the process and closes its standard input, reads all
// that it writes meanwhile, and waits for its end. It returns what the process wrote
// to those of its outputs that are pipes, and the error of [Process.Wait]. A process
// that does not read all of its input is no error.
//
// Of each output the first bytes are kept, as many as Command.OutputLimit says. The
// rest is read and thrown away, and the error matches [ErrOutputLimit].
//
// Communicate waits for the end of the outputs, that is until all have ended to whom
// the process has passed them on. If ctx is done first, it returns what was
// read by then and strand.Err(ctx), and the process goes on, with its input closed.
func (p *Process) Communicate(ctx context.Context, input []byte) (stdout, stderr []byte, err error) {
	if p.Stdin == nil && len(input) > 0 {
		return nil, nil, errors.New("asyncio: Communicate: there is input, but the standard input of the process is not a pipe")
	}
	out := keep{limit: p.limit}
	errs := keep{limit: p.limit}
	parts := []*Coroutine{
		Go(ctx, func(context.Context) error { return p.feed(input) }),
		Go(ctx, func(context.Context) error { return p.Stdout.drain(&out) }),
		Go(ctx, func(context.Context) error { return p.Stderr.drain(&errs) }),
	}
	for _, c := range parts {
		// They end with ctx, and use what is ours until then.
		if e := c.Join(context.WithoutCancel(ctx)); err == nil {
			err = e
		}
	}
	if err == nil {
		err = p.Wait(ctx)
	}
	if out.truncated || errs.truncated {
		err = errors.Join(err, ErrOutputLimit)
	}
	return out.data, errs.data, err
}

// feed writes the input of the process and closes it.
func (p *Process) feed(input []byte) error {
	if p.Stdin == nil {
		return nil
	}
	defer p.Stdin.Close()
	if len(input) == 0 {
		return nil
	}
	_, err := p.Stdin.Write(input)
	if brokenPipe(err) {
		return nil
	}
	return err
}

// drain reads r, if there is such a pipe, to its end.
func (r *PipeReader) drain(k *keep) error {
	if r == nil {
		return nil
	}
	buf := make([]byte, 32<<10)
	for {
		n, err := r.Read(buf)
		k.add(buf[:n])
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// keep holds the beginning of an output.
type keep struct {
	data      []byte
	limit     int
	truncated bool
}

func (k *keep) add(b []byte) {
	if room := k.limit - len(k.data); len(b) > room {
		b = b[:room]
		k.truncated = true
	}
	k.data = append(k.data, b...)
}
