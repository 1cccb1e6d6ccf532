package command

import (
	"bytes"
	"io"
	"os"
	"sync"
	"time"
)

// Pauses of a follower between two looks at what a command has written: short
// while it writes, ever longer while it does not. Nothing tells of a write to a
// file without a name on every system, and a look costs less than a microsecond.
const (
	followSoon   = 5 * time.Millisecond
	followSeldom = 100 * time.Millisecond
)

// A follower reads the outputs of a command while they grow. They stay in their
// files: lines of any length take no memory, and a slow reader does not hold up the
// command.
type follower struct {
	f     func(Stream, io.WriterTo)
	tails [2]tail
}

// A tail is what has not been handed over of an output.
type tail struct {
	stream  Stream
	file    *os.File
	passed  int64 // what was handed over ends here
	scanned int64 // no newline between passed and here
}

// follow hands the lines of the outputs to f as they come. The function that it
// returns hands over the rest; it is to be called when the command has ended.
func follow(f func(Stream, io.WriterTo), stdout, stderr *Output) (end func()) {
	if f == nil {
		return func() {}
	}
	w := &follower{f: f, tails: [2]tail{{stream: Stdout, file: stdout.file}, {stream: Stderr, file: stderr.file}}}
	over := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		timer := time.NewTimer(followSoon)
		defer timer.Stop()
		for pause := followSoon; ; timer.Reset(pause) {
			select {
			case <-over:
				return
			case <-timer.C:
			}
			pause = min(2*pause, followSeldom)
			if w.look(false) {
				pause = followSoon
			}
		}
	})
	return func() {
		close(over)
		running.Wait()
		w.look(true)
	}
}

// look hands over what is new, and reports whether there was anything: whole
// lines, or everything.
func (w *follower) look(all bool) (news bool) {
	for i := range w.tails {
		t := &w.tails[i]
		to, grown := t.lines(all)
		news = news || grown
		if to > t.passed {
			w.f(t.stream, section{t.file, t.passed, to})
			t.passed = to
		}
	}
	return news
}

// lines returns where the last whole line ends, or with all where the file does,
// and whether the file has grown.
func (t *tail) lines(all bool) (end int64, grown bool) {
	info, err := t.file.Stat()
	if err != nil {
		return t.passed, false // the Result will say so
	}
	size := info.Size()
	if size < t.scanned { // the command has truncated its output
		t.passed, t.scanned = 0, 0
	}
	if all {
		return size, false
	}
	grown = size > t.scanned
	end = t.passed
	buf := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buf)
	for t.scanned < size {
		n, _ := t.file.ReadAt(buf[:min(bufferSize, size-t.scanned)], t.scanned)
		if n == 0 {
			break
		}
		if i := bytes.LastIndexByte(buf[:n], '\n'); i >= 0 {
			end = t.scanned + int64(i) + 1
		}
		t.scanned += int64(n)
	}
	return end, grown
}
