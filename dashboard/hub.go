package dashboard

import (
	"bytes"
	"sync"
	"time"
)

// How the page is fed.
const (
	tickEvery = 200 * time.Millisecond // the log is read so often while somebody looks
	lookEvery = time.Second            // and so often it is asked whether the run lives
	coastMost = 2 * time.Second        // how far the clock runs on after the last line
	maxBatch  = 50_000                 // lines in a delta; with more, the whole is fetched again
	maxRing   = 16 << 20               // bytes of deltas that are kept for those who are behind
)

// A hub holds the model of the run and what has changed in it lately, for all that
// look. It has a goroutine of its own only while somebody does.
type hub struct {
	mu      sync.Mutex
	follow  *follower
	err     error // why the log cannot be read any more
	read    bool  // the log has been read as far as it was
	heard   time.Time
	looked  time.Time
	advised time.Time
	said    string // the state as it was told last
	ring    []batch
	bytes   int           // of ring
	news    chan struct{} // closed when there is something new
	closed  bool
	viewers int
	ticker  sync.WaitGroup
	stop    chan struct{} // ends the ticker
	touched time.Time     // when somebody looked last
}

// A batch is what has changed between two lines of the log.
type batch struct {
	from, to uint64
	data     []byte
}

func newHub(f *follower) *hub {
	return &hub{follow: f, news: make(chan struct{}), touched: time.Now()}
}

// refresh folds in what the log has got. It needs h.mu.
func (h *hub) refresh() error {
	if h.err != nil || h.closed {
		return h.err
	}
	m := h.follow.model
	from, first := m.seq, !h.read
	most := 0
	if !first {
		most = maxBatch + 1
	}
	n, err := h.follow.read(most)
	h.err = err
	h.read = true
	now := time.Now()
	if n > 0 && !first {
		h.heard = now
	}
	// When there is an end, it matters whether more can follow.
	if !m.over && (first || m.end != nil || now.Sub(h.looked) >= lookEvery) {
		h.looked = now
		h.follow.look()
		if m.over {
			// What was written before its writer went.
			more, err := h.follow.read(0)
			n += more
			h.err = err
			m.finish()
		}
	}
	if first || n > maxBatch {
		m.settle()
		h.forget()
		return h.err
	}
	if state := m.state(); m.seq == from && state == h.said {
		return h.err
	} else if h.said = state; m.seq == from {
		m.seq++ // news that is in no line
	}
	advise := now.Sub(h.advised) >= lookEvery || m.over
	if advise {
		h.advised = now
	}
	was := m.now
	m.now = h.clock()
	data, ok := m.encodeDelta(advise)
	m.now = was
	if !ok {
		h.forget()
		return h.err
	}
	h.ring = append(h.ring, batch{from, m.seq, data})
	h.bytes += len(data)
	for h.bytes > maxRing && len(h.ring) > 1 {
		h.bytes -= len(h.ring[0].data)
		h.ring[0] = batch{}
		h.ring = h.ring[1:]
	}
	h.tell()
	return h.err
}

// forget drops what has changed, so that everybody who has not seen it fetches all.
func (h *hub) forget() {
	h.ring, h.bytes = nil, 0
	h.said = h.follow.model.state()
	h.tell()
}

func (h *hub) tell() {
	close(h.news)
	h.news = make(chan struct{})
}

// clock returns the time of a run that goes on, in which nothing may be said for a
// while. It needs h.mu.
func (h *hub) clock() float64 {
	m := h.follow.model
	if m.over || h.heard.IsZero() {
		return m.now
	}
	return m.now + us(min(time.Since(h.heard), coastMost))
}

// snapshot returns the model as it is now, encoded.
func (h *hub) snapshot(control bool) ([]byte, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.touched = time.Now()
	if err := h.refresh(); err != nil {
		return nil, err
	}
	m := h.follow.model
	texts := pageTexts
	if !m.over {
		texts = textBudget{-1, -1} // more would come
	}
	b := bytes.NewBuffer(make([]byte, 0, rowBytes*m.rows.len()+1<<16))
	err := m.writeSnapshot(b, texts, func(head *head) {
		head.Control = control
		head.Now = h.clock()
	})
	return b.Bytes(), err
}

// task describes the attempt in row i; ok is false if there is none.
func (h *hub) task(i int) (t *taskHead, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.touched = time.Now()
	m := h.follow.model
	if i < 0 || i >= m.rows.len() {
		return nil, false
	}
	return m.describe(i), true
}

// find returns the inputs whose text contains q.
func (h *hub) find(q string) foundHead {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.touched = time.Now()
	return h.follow.model.find(q, maxFound)
}

// enter says that somebody looks, until leave.
func (h *hub) enter() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.viewers++
	if h.viewers == 1 && !h.closed {
		h.stop = make(chan struct{})
		stop := h.stop
		h.ticker.Go(func() { h.tick(stop) })
	}
}

func (h *hub) leave() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.viewers--
	h.touched = time.Now()
	if h.viewers == 0 {
		h.halt()
	}
}

// halt ends the ticker. It needs h.mu.
func (h *hub) halt() {
	if h.stop != nil {
		close(h.stop)
		h.stop = nil
	}
}

// tick reads the log until stop.
func (h *hub) tick(stop <-chan struct{}) {
	t := time.NewTicker(tickEvery)
	defer t.Stop()
	for {
		select {
		case <-stop:
			return
		case <-t.C:
			h.mu.Lock()
			_ = h.refresh() // whoever asks for a snapshot is told
			h.mu.Unlock()
		}
	}
}

// next returns what follows on seq: a batch, or nil and a channel that is closed when
// there is one. If it cannot be said, resync is true and all must be fetched again.
func (h *hub) next(seq uint64) (b *batch, news <-chan struct{}, resync bool, head uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	head = h.follow.model.seq
	if seq == head {
		return nil, h.news, false, head
	}
	for i := range h.ring {
		if h.ring[i].from == seq {
			return &h.ring[i], nil, false, head
		}
	}
	return nil, nil, true, head
}

// idle returns since when nobody has looked; ok is false while somebody does.
func (h *hub) idle() (since time.Time, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.touched, h.viewers == 0
}

// close ends all that the hub does.
func (h *hub) close() {
	h.mu.Lock()
	h.closed = true
	h.halt()
	h.mu.Unlock()
	h.ticker.Wait()
	h.follow.close()
}
