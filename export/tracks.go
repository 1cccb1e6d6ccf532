package export

import "container/heap"

// Viewers draw the events of a thread as a tree: one that overlaps another without lying
// inside it is an error. So attempts that do not nest get tracks of their own.

// A track is one row of the trace.
type track struct {
	id    int
	ends  []int64 // of the slices that contain the last one, outermost first
	clock int64   // CPU time of the slices so far, in µs
	begun int64   // what clock was before the outermost slice of ends
}

// place puts a slice on the track, if it nests there, and reports whether it does.
func (t *track) place(it *item) bool {
	n := len(t.ends)
	for n > 0 && t.ends[n-1] <= it.at {
		n--
	}
	if n > 0 && t.ends[n-1] < it.at+it.dur {
		return false
	}
	t.ends = append(t.ends[:n], it.at+it.dur)
	if n == 0 {
		t.begun = t.clock
		t.clock += it.cpu
	}
	return true
}

// A worker has one track, and more only if its attempts do not nest.
type workerTracks []*track

func (w *workerTracks) place(it *item, open func(nth int) *track) *track {
	for _, t := range *w {
		if t.place(it) {
			return t
		}
	}
	t := open(len(*w) + 1)
	t.place(it)
	*w = append(*w, t)
	return t
}

// first returns the worker's own track.
func (w *workerTracks) first(open func() *track) *track {
	if len(*w) == 0 {
		*w = append(*w, open())
	}
	return (*w)[0]
}

// A packer puts attempts that overlap freely, such as coroutines, on as few tracks as
// they need: each gets the first that is free.
type packer struct {
	tracks []*track
	free   minHeap[int]    // indexes of tracks
	busy   minHeap[tenant] // by their ends
}

type tenant struct {
	end   int64
	track int
}

func (p *packer) place(it *item, open func(nth int) *track) *track {
	p.free.less = func(a, b int) bool { return a < b }
	p.busy.less = func(a, b tenant) bool { return a.end < b.end }
	for len(p.busy.list) > 0 && p.busy.list[0].end <= it.at {
		heap.Push(&p.free, heap.Pop(&p.busy).(tenant).track)
	}
	var i int
	if len(p.free.list) > 0 {
		i = heap.Pop(&p.free).(int)
	} else {
		i = len(p.tracks)
		p.tracks = append(p.tracks, open(i+1))
	}
	t := p.tracks[i]
	t.place(it)
	heap.Push(&p.busy, tenant{it.at + it.dur, i})
	return t
}

// A minHeap is a heap.Interface.
type minHeap[T any] struct {
	list []T
	less func(a, b T) bool
}

func (h *minHeap[T]) Len() int           { return len(h.list) }
func (h *minHeap[T]) Less(i, j int) bool { return h.less(h.list[i], h.list[j]) }
func (h *minHeap[T]) Swap(i, j int)      { h.list[i], h.list[j] = h.list[j], h.list[i] }
func (h *minHeap[T]) Push(x any)         { h.list = append(h.list, x.(T)) }
func (h *minHeap[T]) Pop() any {
	last := len(h.list) - 1
	x := h.list[last]
	h.list = h.list[:last]
	return x
}
