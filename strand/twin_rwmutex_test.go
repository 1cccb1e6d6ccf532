package strand

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// The arguments of the waits for an RWMutex are those of owners, for writers; a
// reader has its owner plus reader.
const reader = 10

type rwSubject struct {
	RWMutex
	owners
}

func (s *rwSubject) wait(i int) Waitable {
	return &rwWaiter{rw: &s.RWMutex, reads: i >= reader, turn: turn{self: s.as(i % reader)}}
}
func (s *rwSubject) outcome(w Waitable) string {
	if w.(*rwWaiter).killer != nil {
		return broken
	}
	return served
}
func (s *rwSubject) state() any {
	st := rwState{RWMutexStatistics: s.Statistics(), watched: s.watched()}
	for _, h := range s.Holders() {
		st.holders = append(st.holders, s.index([]*Strand{h}))
	}
	return st
}
func (s *rwSubject) act(name string) (result string) {
	defer func() {
		if recover() != nil {
			result = panics
		}
	}()
	switch name {
	case "unlock":
		s.Unlock()
	case "runlock":
		s.RUnlock()
	case "trylock":
		return fmt.Sprint(s.TryLock())
	case "tryrlock":
		return fmt.Sprint(s.TryRLock())
	case "end 1":
		s.owners[1].End()
	case "end 2":
		s.owners[2].End()
	}
	return ""
}

type rwState struct {
	RWMutexStatistics
	holders []int
	watched int
}

type rwTwin struct {
	line
	args    []int // of each wait
	ended   [3]bool
	writing bool
	writer  int
	readers int
	left    bool  // whether a reader with an identity may have left since there were none
	known   []int // the readers with an identity
}

func (m *rwTwin) broken() bool { return m.writing && m.ended[m.writer] }
func (m *rwTwin) waiting(reads bool) (is []int) {
	for _, i := range m.queue {
		if m.args[i] >= reader == reads {
			is = append(is, i)
		}
	}
	return is
}
func (m *rwTwin) arm(arg int) {
	if m.ended[arg%reader] {
		arg -= arg % reader
	}
	m.args = append(m.args, arg)
	i := len(m.args) - 1
	writers := len(m.waiting(false))
	m.come(waits)
	switch {
	case m.broken():
		m.settle(i, broken)
	case arg >= reader && !m.writing && writers == 0, arg < reader && !m.writing && m.readers == 0:
		m.let(i)
	}
}

// settle ends the i-th wait.
func (m *rwTwin) settle(i int, outcome string) {
	m.leave(i)
	m.out[i] = outcome
}

// let lets in who waits in the i-th wait.
func (m *rwTwin) let(i int) {
	m.settle(i, served)
	if m.args[i] >= reader {
		m.readers++
		if who := m.args[i] - reader; who != 0 && !m.left {
			m.known = append(m.known, who)
		}
		return
	}
	m.writing, m.writer = true, m.args[i]
	m.check()
}
func (m *rwTwin) check() {
	for m.broken() && len(m.queue) > 0 {
		m.serve(broken)
	}
}
func (m *rwTwin) letReaders() bool {
	readers := m.waiting(true)
	for _, i := range readers {
		m.let(i)
	}
	return len(readers) > 0
}
func (m *rwTwin) letWriter() {
	if writers := m.waiting(false); len(writers) > 0 {
		m.let(writers[0])
	}
}
func (m *rwTwin) cancel(i int) {
	if m.leave(i) && !m.writing && len(m.waiting(false)) == 0 {
		m.letReaders()
	}
}
func (m *rwTwin) act(name string) string {
	switch name {
	case "unlock":
		if !m.writing {
			return panics
		}
		if m.broken() {
			return ""
		}
		m.writing = false
		if !m.letReaders() {
			m.letWriter()
		}
	case "runlock":
		if m.readers == 0 {
			return panics
		}
		m.readers--
		m.left, m.known = m.readers > 0 && (m.left || len(m.known) > 0), nil
		if m.readers == 0 {
			m.letWriter()
		}
	case "trylock":
		if m.writing || m.readers > 0 {
			return "false"
		}
		m.writing, m.writer = true, 0
		return "true"
	case "tryrlock":
		if m.writing || len(m.waiting(false)) > 0 {
			return "false"
		}
		m.readers++
		return "true"
	case "end 1":
		m.ended[1] = true
		m.check()
	case "end 2":
		m.ended[2] = true
		m.check()
	}
	return ""
}
func (m *rwTwin) state() any {
	st := rwState{RWMutexStatistics: RWMutexStatistics{
		Writing: m.writing, Broken: m.broken(), Readers: m.readers,
		WaitingWriters: len(m.waiting(false)), WaitingReaders: len(m.waiting(true)),
	}}
	switch {
	case !m.writing:
		st.holders = append(st.holders, m.known...)
	case m.writer != 0 && !m.broken():
		st.holders = []int{m.writer}
		st.watched = watches(m.writer, len(m.queue))
	}
	return st
}

func rwPlay() *play { return &play{subject: &rwSubject{owners: newOwners()}, twin: &rwTwin{}} }

func TestRWMutexEveryOrder(t *testing.T) {
	everyOrder(t, rwPlay, arm("writer", 0), arm("reader", reader), arm("another writer", 0),
		cancel("writer"), act("unlock"), act("runlock"), act("tryrlock"))
	everyOrder(t, rwPlay, arm("reader", reader), arm("writer", 0), arm("another reader", reader),
		cancel("writer"), act("runlock"), act("runlock"), act("trylock"))
	everyOrder(t, rwPlay, arm("writer", 1), arm("reader", reader+2), arm("another writer", 2),
		cancel("reader"), act("end 1"), act("unlock"), act("runlock"))
}

func TestRWMutexModel(t *testing.T) {
	anyRun(t, func(*rapid.T) *play { return rwPlay() }, []int{0, 1, 2, reader, reader + 1, reader + 2},
		"unlock", "runlock", "trylock", "tryrlock", "end 1", "end 2")
}
