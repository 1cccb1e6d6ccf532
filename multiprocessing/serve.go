package multiprocessing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/internal/cancel"
	"github.com/go-braid/braid/internal/codec"
	"github.com/go-braid/braid/internal/spawn"
	"github.com/go-braid/braid/internal/wire"
	"github.com/go-braid/braid/strand"
)

// The exit codes of a worker.
const (
	exitOK       = 0
	exitError    = 1  // the only task of a Process returned an error, or did not begin
	exitPanic    = 2  // or panicked, as the Go runtime has it
	exitProtocol = 70 // the program cannot be understood
	exitOrphan   = 71 // the program is gone
	exitInit     = 72 // Config.Init failed
)

// A server is a worker process, seen from inside. It runs one call at a time.
type server struct {
	control *wire.Stream
	data    link
	quiet   quieter // data, if it can hold back the waking of the program
	number  int
	oneShot bool
	max     int64 // the largest result
	tasks   map[string]engine.Function
	last    string // the task that was looked up last
	lastFn  engine.Function
	done    chan int // the exit code

	mu      sync.Mutex
	current *runningCall          // the call that runs, &running; nil: there is none
	early   map[uint64]error      // cancels that came before their call
	files   map[uint64][]*os.File // that came before their call
	arrived *sync.Cond            // files
	stop    bool                  // end after the current call

	// Of the loop alone, but for what is said at runningCall.
	running runningCall
	result  engine.Message
	phase   func(engine.Phase)
	item    int
}

// A quieter is a link that can send without waking a receiver that sleeps.
type quieter interface {
	SendQuiet(h wire.Header, small, bulk []byte) error
	SendLast(h wire.Header, small, bulk []byte) error
}

// serve is the life of a worker. It returns the exit code.
func serve(r *role) int {
	if r.err != nil {
		fmt.Fprintf(os.Stderr, "braid: this worker process cannot start: %v\n", r.err)
		return exitProtocol
	}
	s := &server{
		tasks: make(map[string]engine.Function), done: make(chan int, 1),
		early: make(map[uint64]error), files: make(map[uint64][]*os.File),
	}
	s.arrived = sync.NewCond(&s.mu)
	if err := s.open(r); err != nil {
		fmt.Fprintf(os.Stderr, "braid: this worker process cannot talk to the program: %v\n", err)
		return exitProtocol
	}
	// Ctrl-C in a terminal goes to the whole foreground group. Workers have a group
	// of their own, but a signal can be sent to them as well: the program decides.
	signal.Ignore(os.Interrupt)
	f, err := s.control.Recv()
	if err != nil || f.Kind != kindHello {
		return exitOrphan
	}
	h, err := parseHello(f.Payload)
	if err != nil {
		fmt.Fprintf(os.Stderr, "braid: this worker process does not understand the program: %v\n", err)
		return exitProtocol
	}
	s.number, s.oneShot = h.Number, h.OneShot
	slog.SetDefault(slog.New(&logHandler{server: s}))
	if err := s.init(h); err != nil {
		_ = s.control.Send(wire.Header{Kind: kindFailed}, codec.AppendError(nil, err), nil)
		return exitInit
	}
	go s.listen()
	if err := s.control.Send(wire.Header{Kind: kindReady}, nil, nil); err != nil {
		return exitOrphan
	}
	s.phase = func(p engine.Phase) { _ = s.data.Mark(makeMark(s.current.seq, s.item, p)) }
	go s.loop()
	code := <-s.done
	if code == exitOrphan {
		spawn.KillFamily()
	}
	return code
}

// open makes the links from the descriptors that the process was started with.
func (s *server) open(r *role) error {
	control, data, err := inherited(r.ring, r.max+slack)
	if err != nil {
		return err
	}
	s.control, s.data, s.max = control, data, r.max
	s.quiet, _ = data.(quieter)
	return nil
}

// init runs the task of Config.Init.
func (s *server) init(h hello) (err error) {
	if h.Init == "" {
		return nil
	}
	f, err := s.lookup([]byte(h.Init))
	if err != nil {
		return err
	}
	returned := make(chan error, 1)
	go func() { // it may end its goroutine
		err := engine.ErrGoexit
		defer func() {
			if v := recover(); v != nil {
				err = &engine.PanicError{Value: v, Stack: debug.Stack()}
			}
			returned <- err
		}()
		err = f.Serve(context.Background(), engine.Message{Small: h.Arg}, &engine.Message{}, func(engine.Phase) {})
	}()
	return <-returned
}

func (s *server) lookup(name []byte) (engine.Function, error) {
	if string(name) == s.last && s.lastFn != nil {
		return s.lastFn, nil
	}
	if f, ok := s.tasks[string(name)]; ok {
		s.last, s.lastFn = string(name), f
		return f, nil
	}
	d, ok := braid.Lookup(string(name))
	if !ok {
		return nil, fmt.Errorf("the worker knows no task %q: it must be defined when the program starts, as the value of a package variable", name)
	}
	f, ok := d.(engine.Function)
	if !ok {
		return nil, fmt.Errorf("the task %q cannot be run in a worker", name)
	}
	s.tasks[string(name)] = f
	return f, nil
}

// listen serves the control link. When the program is gone, so is the worker, with
// all that it has started.
func (s *server) listen() {
	for {
		f, err := s.control.Recv()
		if _, corrupt := errors.AsType[*wire.CorruptError](err); corrupt {
			// The program lives, and kills what this process has started.
			fmt.Fprintf(os.Stderr, "braid: this worker process does not understand the program: %v\n", err)
			os.Exit(exitProtocol)
		}
		if err != nil {
			spawn.KillFamily()
			os.Exit(exitOrphan)
		}
		switch f.Kind {
		case kindPing:
			_ = s.control.Send(wire.Header{Kind: kindPong, Seq: f.Seq}, nil, nil)
		case kindCancel:
			s.cancel(f)
		case kindFiles:
			s.mu.Lock()
			s.files[f.Seq] = f.Files
			s.arrived.Broadcast()
			s.mu.Unlock()
		case kindStop:
			s.mu.Lock()
			s.stop = true
			idle := s.current == nil
			s.mu.Unlock()
			if idle {
				s.dismissed()
			}
		}
	}
}

// dismissed ends a worker that was told to end while it had no call. A process for one
// call is told so only if that will not come: nothing in it has succeeded.
func (s *server) dismissed() {
	if s.oneShot {
		s.end(exitError)
		return
	}
	s.end(exitOK)
}

func (s *server) end(code int) {
	select {
	case s.done <- code:
	default:
	}
}

// cancel ends the context of a call, which may not have been received yet.
func (s *server) cancel(f wire.Frame) {
	cause, err := codec.DecodeError(f.Payload)
	if err != nil {
		cause = context.Canceled
	}
	var ctx *cancel.Context
	s.mu.Lock()
	switch c := s.current; {
	case c == nil || c.seq < f.Seq:
		clear(s.early) // of calls that will not come any more
		s.early[f.Seq] = cause
	case c.seq == f.Seq:
		ctx = c.ctx
	}
	s.mu.Unlock()
	if ctx != nil {
		ctx.Cancel(cause)
	}
}

// loop runs calls. If a task ends its goroutine, another loop goes on.
func (s *server) loop() {
	defer func() {
		if s.current != nil {
			go s.goneLoop()
		}
	}()
	for {
		f, err := s.data.Recv()
		if err != nil {
			s.end(exitOrphan)
			return
		}
		if f.Kind == kindCall && !s.call(f) {
			return
		}
	}
}

// call runs a call, and reports whether there may be another.
func (s *server) call(f wire.Frame) bool {
	p := parser{rest: f.Payload}
	name, h, err := parseCall(&p)
	if err != nil {
		fmt.Fprintf(os.Stderr, "braid: this worker process was sent a call that makes no sense: %v\n", err)
		s.end(exitProtocol)
		return false
	}
	s.mu.Lock()
	if s.stop {
		// The program had not heard of it; it finds that the call was not begun.
		s.mu.Unlock()
		s.dismissed()
		return false
	}
	c := &s.running
	item := c.begin(f.Seq, &h)
	s.current = c
	cause := s.early[f.Seq]
	if cause != nil {
		delete(s.early, f.Seq)
	}
	s.mu.Unlock()
	if cause != nil {
		c.ctx.Cancel(cause)
	}
	s.item = h.first
	var files []*os.File
	if f.Flags&flagFiles != 0 {
		s.phase(engine.PhaseDecode) // this process may not have room for them
		files = s.takeFiles(f.Seq)
	}
	fn, unknown := s.lookup(name)
	c.rest = callRest{parser: p, item: item, header: h, fn: fn, unknown: unknown, flags: f.Flags, owned: f.Owned, files: files}
	if h.items > 1 || f.Flags&flagBatch != 0 {
		c.rest.began = time.Now()
	}
	return s.run(c)
}

// run runs the items of a call that are left.
func (s *server) run(c *runningCall) bool {
	r := &c.rest
	code := exitOK
	for r.header.items > 0 {
		r.header.items--
		arg := engine.Message{Small: r.parser.rest, Owned: r.owned, Files: r.files}
		if r.flags&flagBatch != 0 {
			n := r.parser.uvarint(1 << 40)
			if n == 0 { // its argument could not be written
				s.item++
				continue
			}
			arg = engine.Message{Small: r.parser.bytes(n - 1)}
		}
		code = s.runItem(c, arg)
		s.item++
	}
	return s.finish(c, code)
}

// finish ends the current call.
func (s *server) finish(c *runningCall, code int) bool {
	c.end()
	if c.rest.flags&flagBatch != 0 {
		var b [8]byte
		_ = s.data.Send(wire.Header{Kind: kindDone, Seq: c.seq}, appendInt(b[:0], int64(time.Since(c.rest.began))), nil)
	}
	_ = s.data.Mark(makeMark(c.seq, s.item, engine.PhaseIdle))
	s.mu.Lock()
	s.current = nil
	stop := s.stop
	s.mu.Unlock()
	if stop || s.oneShot {
		if stop && !s.oneShot {
			code = exitOK
		}
		s.end(code)
		return false
	}
	return true
}

// errReturned is the cause of a task's context once the task has returned.
var errReturned = errors.New("multiprocessing: the task that the context belongs to has returned")

// runItem runs one item and sends its outcome. It returns the exit code of a worker
// that has nothing else to do. If the task ends its goroutine, runItem does not
// return, and goneLoop goes on.
func (s *server) runItem(c *runningCall, arg engine.Message) (code int) {
	s.phase(engine.PhaseDecode)
	h := wire.Header{Kind: kindResult, Index: uint32(s.item), Seq: c.seq}
	res := &s.result
	*res = engine.Message{Small: res.Small[:0]}
	err := c.rest.unknown
	if err != nil {
		h.Flags |= flagNotRun
		s.send(c, h, codec.AppendError(res.Small, &engine.CodecError{Phase: engine.PhaseDecode, Err: err}), nil)
		return exitError
	}
	item := c.rest.item
	if c.rest.item = nil; item == nil {
		item = &itemContext{}
	}
	item.Context, item.server, item.seq, item.number = c.ctx, s, c.seq, s.item
	err = s.protect(c, item, arg, res)
	item.self.End()
	switch {
	case err == nil:
		if err = checkSize(res, 0, s.max); err != nil {
			err = &engine.CodecError{Phase: engine.PhaseEncode, Err: err}
			break
		}
		if res.Files != nil {
			h.Flags |= flagFiles
			if err = s.control.SendFiles(wire.Header{Kind: kindFiles, Seq: c.seq}, res.Files...); err != nil {
				err = &engine.CodecError{Phase: engine.PhaseEncode, Err: err}
				break
			}
		}
		if err = s.send(c, h, res.Small, res.Bulk); errors.Is(err, wire.ErrTooLarge) {
			err = &engine.CodecError{Phase: engine.PhaseEncode, Err: err}
			break
		}
		runtime.KeepAlive(res.Bulk)
		s.keep(res.Small)
		return exitOK
	}
	h.Flags = flagError
	code = exitError
	if e, ok := err.(*engine.CodecError); ok && e.Phase == engine.PhaseDecode {
		h.Flags = flagNotRun
	}
	if _, ok := err.(*engine.PanicError); ok {
		h.Flags, code = flagFailed, exitPanic
	}
	b := codec.AppendError(res.Small[:0], err)
	_ = s.send(c, h, b, nil)
	s.keep(b)
	return code
}

// protect runs the task and turns a panic into an error. If the task ends its
// goroutine, the call has its outcome before that is over.
func (s *server) protect(c *runningCall, item *itemContext, arg engine.Message, res *engine.Message) (err error) {
	returned := false
	defer func() {
		if returned {
			return
		}
		if v := recover(); v != nil {
			err = &engine.PanicError{Value: v, Stack: debug.Stack()}
			return
		}
		item.self.End()
		h := wire.Header{Kind: kindResult, Flags: flagFailed, Index: uint32(s.item), Seq: c.seq}
		_ = s.send(c, h, codec.AppendError(nil, engine.ErrGoexit), nil)
		s.item++
	}()
	err = c.rest.fn.Serve(item, arg, res, s.phase)
	returned = true
	return err
}

// goneLoop goes on after a task has ended the goroutine of the loop.
func (s *server) goneLoop() {
	if s.run(s.current) {
		s.loop()
	}
}

// send sends an outcome. In the middle of a batch the program need not wake up for it;
// what comes after the last is the next call, for which this goroutine waits.
func (s *server) send(c *runningCall, h wire.Header, small, bulk []byte) error {
	switch {
	case s.quiet == nil:
		return s.data.Send(h, small, bulk)
	case c.rest.header.items > 0 || c.rest.flags&flagBatch != 0:
		return s.quiet.SendQuiet(h, small, bulk)
	}
	return s.quiet.SendLast(h, small, bulk)
}

// keep keeps a buffer for the next result, unless it is large.
func (s *server) keep(b []byte) {
	s.result = engine.Message{}
	if cap(b) <= 64<<10 {
		s.result.Small = b
	}
}

// takeFiles waits for the files of a call, which come on the control link.
func (s *server) takeFiles(seq uint64) []*os.File {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.files[seq] == nil {
		s.arrived.Wait()
	}
	files := s.files[seq]
	delete(s.files, seq)
	return files
}

// A runningCall is a call, as long as it runs.
type runningCall struct {
	// Changed by the loop under server.mu, so that others can read it.
	seq     uint64
	attempt int
	ctx     *cancel.Context

	// Of the loop.
	stop context.CancelFunc // of the deadline; nil: there is none
	rest callRest
}

// callRest is what is left of a call.
type callRest struct {
	parser  parser
	header  callHeader
	fn      engine.Function
	unknown error        // there is no such task
	item    *itemContext // for the first item
	flags   uint8
	owned   bool
	files   []*os.File
	began   time.Time
}

// begin makes c a call that begins, and returns the context of its first item, of which
// that of the call is a part: most have but one.
func (c *runningCall) begin(seq uint64, h *callHeader) *itemContext {
	ctx := context.Background()
	c.stop = nil
	if h.left > 0 {
		ctx, c.stop = context.WithTimeout(ctx, h.left)
	}
	item := &itemContext{}
	item.call.Init(ctx, nil)
	c.seq, c.attempt, c.ctx = seq, h.attempt, &item.call
	return item
}

// end ends the context of the call, whose tasks have returned.
func (c *runningCall) end() {
	c.ctx.Cancel(errReturned)
	if c.stop != nil {
		c.stop()
	}
}

// An itemContext is the context of one item: that of the call for a strand of its own,
// which it parks and whose progress it reports.
type itemContext struct {
	context.Context
	call cancel.Context // of the call, in its first item
	strand.Goroutine
	self   strand.Strand
	server *server
	seq    uint64
	number int
}

// Value implements [context.Context].
func (it *itemContext) Value(key any) any {
	switch key.(type) {
	case strand.ParkerKey, engine.ProgressKey:
		return it
	}
	return it.Context.Value(key)
}

// Self implements [strand.Parker].
func (it *itemContext) Self() *strand.Strand { return &it.self }

// Report implements [engine.Reporter].
func (it *itemContext) Report(done, total int64) {
	var b [16]byte
	h := wire.Header{Kind: kindProgress, Index: uint32(it.number), Seq: it.seq}
	_ = it.server.data.Send(h, appendInt(appendInt(b[:0], done), total), nil)
}
