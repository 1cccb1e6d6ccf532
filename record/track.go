package record

import (
	"slices"

	"github.com/go-braid/braid/engine"
)

// A track is where a worker notes what it does until the log takes it from there: to be told
// of each attempt twice would cost as much again.
type track struct {
	*engine.Track
	from   *source
	worker int32
	told   uint64 // the call that there is a Start line of
}

// track gives a worker its track.
func (h *hearer) track(name string, worker int) *engine.Track {
	t := &track{from: h.source(name), worker: int32(worker)}
	s := h.shard(worker, 0)
	t.Track = engine.NewTrack(func() { h.collect(s, t) })
	t.Watch(true) // there may be no goroutine
	s.mu.Lock()
	s.tracks = append(s.tracks, t)
	s.mu.Unlock()
	return t.Track
}

// collect takes what the worker has noted, because it is much, or the worker is gone, or is
// watched: then the log rests, or has usages. It is called by the worker.
func (l *Log) collect(s *shard, t *track) {
	s.mu.Lock()
	if l.off.Load() {
		l.lose(t)
	} else {
		runs, ok := l.take(s, t)
		used := l.used.Load()
		if ok && used {
			l.claim(s, runs.Call)
		}
		t.Watch(used)
	}
	if t.Closed() {
		s.tracks = slices.DeleteFunc(s.tracks, func(u *track) bool { return u == t })
	}
	s.mu.Unlock()
	if !l.off.Load() {
		l.stir() // after it is watched no more
	}
}

// watch has the log woken when something begins on a track.
func (l *Log) watch() {
	for i := range l.shards {
		s := &l.shards[i]
		s.mu.Lock()
		for _, t := range s.tracks {
			t.Watch(true)
		}
		s.mu.Unlock()
	}
}

// take makes lines of what has succeeded on a track of shard s, which must be locked. It
// returns the attempt that runs, if one does.
func (l *Log) take(s *shard, t *track) (runs engine.Attempt, ok bool) {
	return t.Take(func(all []engine.Attempt) {
		s.left += int64(len(all))
		s.done += int64(len(all))
		for len(all) > 0 {
			k := l.room(s)
			if k == nil {
				l.lost.Add(int64(len(all) - 1)) // room has counted one
				return
			}
			n := 1
			for n < min(len(all), s.room) && all[n].HasTaskOf(&all[0]) {
				n++
			}
			s.endStreak()
			s.lines(s.fit(t.from, t.worker, all[0].Task()), l.began, all[:n])
			s.room -= n
			if l.keeps.Load() {
				for i := range all[:n] {
					k.ended = append(k.ended, all[i].Index)
				}
			}
			all = all[n:]
		}
	})
}

// takeAll takes what has succeeded on any track.
func (l *Log) takeAll() {
	for i := range l.shards {
		s := &l.shards[i]
		s.mu.Lock()
		for _, t := range s.tracks {
			l.take(s, t)
		}
		s.mu.Unlock()
	}
}

// lose counts what has succeeded on a track as lost.
func (l *Log) lose(t *track) {
	t.Take(func(all []engine.Attempt) { l.lost.Add(int64(len(all))) })
}

// attempt returns what a track of shard s, which must be locked, tells of one.
func (l *Log) attempt(s *shard, t *track, a *engine.Attempt) attempt {
	return attempt{
		call: a.Call, start: int64(a.Start) - l.began, queued: int64(a.Queued) - l.began,
		index: a.Index, number: 1, form: s.fit(t.from, t.worker, a.Task()),
	}
}

// claim takes the attempt at call off its track, if it runs on one of shard s, which must be
// locked, because there is more to be told of it than that it succeeded. It returns where the
// attempt is in runs, or -1.
func (l *Log) claim(s *shard, call uint64) int {
	if l.off.Load() { // then nobody is told of its end
		return -1
	}
	for _, t := range s.tracks {
		a, ok := t.Claim(call)
		if !ok {
			continue
		}
		s.left++
		r := s.add(call)
		r.attempt, r.told = l.attempt(s, t, &a), t.told == call
		return len(s.runs) - 1
	}
	return -1
}

// claimAll claims what runs on any track, now and from now on.
func (l *Log) claimAll() {
	l.used.Store(true)
	for i := range l.shards {
		s := &l.shards[i]
		s.mu.Lock()
		for _, t := range s.tracks {
			t.Watch(true)
			if a, ok := l.take(s, t); ok {
				l.claim(s, a.Call)
			}
		}
		s.mu.Unlock()
	}
}

// surveyTrack takes what has succeeded on the track, and tells of what runs there.
func (w *writer) surveyTrack(s *shard, t *track, c *census) {
	a, ok := w.log.take(s, t)
	if !ok {
		return
	}
	c.running++
	c.left++
	if t.told != a.Call {
		t.told = a.Call
		w.begun(w.log.attempt(s, t, &a))
	}
}
