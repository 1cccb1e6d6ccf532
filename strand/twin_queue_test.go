package strand

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// Queue. The argument of a wait is the item to put, or get.

const get = -1

type queueSubject struct {
	*Queue[int]
	next int
}

func (s *queueSubject) wait(arg int) Waitable {
	if arg == get {
		return &getter[int]{q: &s.queue}
	}
	return &putter[int]{q: &s.queue, item: arg}
}
func (s *queueSubject) outcome(w Waitable) string {
	if g, ok := w.(*getter[int]); ok {
		return gotten(g.item, g.err)
	}
	return gotten(0, w.(*putter[int]).err)
}
func (s *queueSubject) state() any { return s.Statistics() }
func (s *queueSubject) act(name string) string {
	switch name {
	case "put":
		s.next++
		return gotten(0, s.TryPut(1000+s.next))
	case "get":
		return gotten(s.TryGet())
	case "grow":
		s.Resize(s.Statistics().Cap + 1)
		return ""
	case "shrink":
		s.Resize(max(1, s.Statistics().Cap-1))
		return ""
	case "shutdown":
		s.Shutdown()
		return ""
	default:
		return fmt.Sprint(s.ShutdownNow())
	}
}

func gotten(item int, err error) string {
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint("item ", item)
}

type queueTwin struct {
	line
	cap        int
	next       int
	buf        []int
	args       []int
	shutdown   bool
	puts, gets uint64
}

// settle ends the waits that can be over, oldest first; getters and putters
// never wait at the same time.
func (q *queueTwin) settle() {
	for len(q.queue) > 0 {
		arg := q.args[q.queue[0]]
		result, err := q.try(arg)
		if err == ErrFull || err == ErrEmpty {
			return
		}
		q.serve(gotten(result, err))
	}
}

func (q *queueTwin) try(arg int) (int, error) {
	switch {
	case arg == get && len(q.buf) > 0:
		v := q.buf[0]
		q.buf = q.buf[1:]
		q.gets++
		return v, nil
	case q.shutdown:
		return 0, ErrShutdown
	case arg == get:
		return 0, ErrEmpty
	case len(q.buf) >= q.cap:
		return 0, ErrFull
	}
	q.puts++
	q.buf = append(q.buf, arg)
	return 0, nil
}

func (q *queueTwin) arm(arg int) {
	q.args = append(q.args, arg)
	result, err := q.try(arg)
	if err == ErrFull || err == ErrEmpty {
		q.come(waits)
	} else {
		q.come(gotten(result, err))
	}
	q.settle()
}
func (q *queueTwin) cancel(i int) { q.leave(i) }
func (q *queueTwin) act(name string) (result string) {
	defer q.settle()
	switch name {
	case "put":
		q.next++
		return gotten(q.try(1000 + q.next))
	case "get":
		return gotten(q.try(get))
	case "grow":
		q.cap++
		return ""
	case "shrink":
		q.cap = max(1, q.cap-1)
		return ""
	case "shutdown":
		q.stop()
		return ""
	default:
		q.stop()
		items := q.buf
		q.buf = nil
		return fmt.Sprint(items)
	}
}

// stop turns away those who wait: no putter may slip in when items are taken out.
func (q *queueTwin) stop() {
	q.shutdown = true
	for len(q.queue) > 0 {
		q.serve(ErrShutdown.Error())
	}
}

func (q *queueTwin) state() any {
	s := QueueStatistics{Len: len(q.buf), Cap: q.cap, Puts: q.puts, Gets: q.gets, Shutdown: q.shutdown,
		Unfinished: uint64(len(q.buf)) + q.gets}
	for _, i := range q.queue {
		if q.args[i] == get {
			s.Getters++
		} else {
			s.Putters++
		}
	}
	return s
}

func queuePlay(capacity int) *play {
	return &play{subject: &queueSubject{Queue: NewQueue[int](capacity)}, twin: &queueTwin{cap: capacity}}
}

func TestQueueEveryOrder(t *testing.T) {
	for capacity := 1; capacity <= 2; capacity++ {
		open := func() *play { return queuePlay(capacity) }
		everyOrder(t, open, arm("put 1", 1), arm("put 2", 2), arm("put 3", 3), cancel("put 2"), act("get"), act("get"), act("shutdown"))
		everyOrder(t, open, arm("get a", get), arm("get b", get), arm("get c", get), cancel("get a"), cancel("get b"), act("put"), act("put"))
		everyOrder(t, open, arm("put 1", 1), arm("put 2", 2), arm("get", get), cancel("put 1"), cancel("get"), act("get"), act("shutdownnow"))
		everyOrder(t, open, arm("put 1", 1), arm("put 2", 2), arm("put 3", 3), cancel("put 2"), act("get"), act("shrink"), act("grow"))
	}
}

func TestQueueModel(t *testing.T) {
	// Capacities at which the ring wraps before and after it has grown.
	open := func(t *rapid.T) *play {
		return queuePlay(rapid.SampledFrom([]int{1, 2, 3, 4, 5, 9}).Draw(t, "capacity"))
	}
	t.Run("open", func(t *testing.T) { anyRun(t, open, []int{get, 1, 2, 3}, "put", "get", "grow", "shrink") })
	t.Run("shut down", func(t *testing.T) {
		anyRun(t, open, []int{get, 1, 2, 3}, "put", "get", "grow", "shrink", "shutdown", "shutdownnow")
	})
}
