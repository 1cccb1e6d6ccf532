package webtest

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// States of spans, as the page knows them.
const (
	ok        = 0
	failed    = 1
	panicked  = 2
	crashed   = 3
	timedOut  = 4
	cancelled = 5
	refused   = 6
	running   = 7
	followed  = 16
)

// A Shape says what a made run looks like. All of it follows from the shape: two runs of
// one shape are equal.
type Shape struct {
	Spans   int
	Lanes   int     // of the first engine
	Mean    float64 // µs that a span takes
	Tasks   int     // how many kinds of task there are; 0 is 1
	Failing float64 // share of spans that fail in the end
	Retried float64 // share that is tried again
	Only    int     // if > 0: only the span of this index fails, and nothing is retried
	Workers bool    // a process a lane, some of which crash
	Second  bool    // a second engine beside the first
	Live    bool    // the last span of every lane runs
	Idle    bool    // a long pause in the middle
	Lazy    bool    // texts of inputs are not in the page
}

// Make returns a run of the given shape.
func Make(s Shape) *Run {
	rng := rand.New(rand.NewPCG(1, 2))
	tasks := []string{"resize", "hash", "fetch", "index", "upload"}[:max(1, s.Tasks)]
	lanes := s.Lanes
	if s.Second {
		lanes += 4
	}
	r := &Run{}
	free := make([]float64, lanes) // when each lane is free
	for k := range free {
		free[k] = 400 * float64(k%16)
	}
	type lane struct {
		Engine  int          `json:"engine"`
		Process string       `json:"process"`
		Slot    int          `json:"slot"`
		Label   string       `json:"label"`
		Downs   [][2]float64 `json:"downs"`
	}
	heads := make([]lane, lanes)
	for k := range heads {
		heads[k] = lane{Slot: k + 1, Label: fmt.Sprintf("thread %d", k+1)}
		switch {
		case k >= s.Lanes:
			heads[k].Engine, heads[k].Slot = 1, k-s.Lanes+1
			heads[k].Label = fmt.Sprintf("slot %d", k-s.Lanes+1)
		case s.Workers:
			heads[k].Process = fmt.Sprintf("worker %d", k+1)
			heads[k].Label = fmt.Sprintf("worker %d · %d", k+1, 41200+k)
		}
	}
	kinds := []struct{ kind, text, stack string }{
		{"error", "open photos/IMG_0412.CR2: permission denied", ""},
		{"panic", "runtime error: index out of range [7] with length 7", "goroutine 41 [running]:\nmain.resize(0x7, 0x7)\n\tmain.go:88 +0x1d4\nmain.main.func1()\n\tmain.go:41 +0x60"},
		{"crash", "worker 3 died of SIGSEGV while it ran the task", ""},
		{"timeout", "the task took longer than its limit of 2s", ""},
		{"error", "GET https://example.test/a: 503 Service Unavailable\nretry-after: 2", ""},
	}
	counts := make([]int, len(kinds))
	first := make([]float64, len(kinds))
	last := make([]float64, len(kinds))
	sample := make([]int, len(kinds))
	fail := func(i, kind int) {
		if counts[kind] == 0 {
			first[kind], sample[kind] = r.Start[i], i
		}
		counts[kind]++
		last[kind] = r.Start[i]
		r.Error[i] = int32(kind)
	}
	var strings []string
	var retries []struct {
		call, input uint32
		task        uint16
		attempt     uint16
		at          float64
	}
	call := uint32(0)
	done, lost, again := 0, 0, 0
	for i := 0; i < s.Spans; i++ {
		// The lane that is free first takes the next span.
		k := 0
		if lanes <= 64 {
			for j := range free {
				if free[j] < free[k] {
					k = j
				}
			}
		} else {
			k = i % lanes
		}
		start := free[k] + rng.ExpFloat64()*s.Mean*0.02
		if s.Idle && i == s.Spans/2 {
			pause := s.Mean * float64(s.Spans/lanes) * 3
			for j := range free {
				free[j] += pause
			}
			start += pause
		}
		var input uint32
		var task, attempt uint16
		queued := math.Max(0, start-rng.Float64()*s.Mean*3)
		if len(retries) > 0 && retries[0].at <= start {
			q := retries[0]
			retries = retries[1:]
			input, task, attempt, queued = q.input, q.task, q.attempt, q.at
			r.Call = append(r.Call, q.call)
		} else {
			input, attempt = call, 1
			task = uint16(rng.IntN(len(tasks)))
			r.Call = append(r.Call, call)
			call++
			strings = append(strings, fmt.Sprintf("photos/2026/%02d/IMG_%05d.jpg", input%12+1, input))
		}
		took := s.Mean * (0.55 + rng.ExpFloat64()*0.45) * (1 + 0.35*float64(task))
		if rng.Float64() < 0.002 {
			took *= 6 + 8*rng.Float64()
		}
		r.Start = append(r.Start, start)
		r.Queued = append(r.Queued, queued)
		r.Lane = append(r.Lane, uint32(k))
		r.Task = append(r.Task, task)
		r.Input = append(r.Input, input)
		r.Text = append(r.Text, input)
		r.Attempt = append(r.Attempt, attempt)
		r.Error = append(r.Error, -1)
		r.CPU = append(r.CPU, float32(took*(0.6+0.35*rng.Float64())))
		r.Parked = append(r.Parked, float32(took*0.1*rng.Float64()))
		r.RSS = append(r.RSS, float32(40e6+30e6*rng.Float64()))
		state := uint8(ok)
		switch u := rng.Float64(); {
		case s.Only > 0:
			if i == s.Only {
				state = failed
				fail(i, 0)
			}
		case u < s.Failing:
			kind := []int{0, 0, 0, 0, 1, 2, 3, 3}[rng.IntN(8)]
			if kind == 2 && !s.Workers {
				kind = 1
			}
			state = []uint8{failed, panicked, crashed, timedOut}[kind]
			if kind == 3 {
				took = s.Mean * 3
			}
			fail(i, kind)
		case u < s.Failing+s.Retried && attempt < 3:
			state = failed | followed
			took *= 0.4
			fail(i, 4)
			retries = append(retries, struct {
				call, input   uint32
				task, attempt uint16
				at            float64
			}{r.Call[i], input, task, attempt + 1, start + took + s.Mean})
		case u > 0.9995:
			state = cancelled
		}
		end := start + took
		r.State = append(r.State, state)
		r.End = append(r.End, end)
		free[k] = end
		if state == crashed {
			down := s.Mean * (2 + 4*rng.Float64())
			heads[k].Downs = append(heads[k].Downs, [2]float64{end, end + down})
			free[k] += down
		}
		switch {
		case state == ok && attempt > 1:
			again++
		case state == ok:
			done++
		case state < cancelled && state > 0:
			lost++
		}
	}
	now := 0.0
	for _, e := range r.End {
		now = max(now, e)
	}
	open := 0
	verdict := "ok"
	if lost > 0 {
		verdict = "failed"
	}
	var end any = map[string]any{"t": now, "verdict": verdict, "exit": 3 * min(1, lost), "ok": done + again, "failed": lost, "total": call}
	state := "ended"
	if s.Live {
		end, state = nil, "running"
		seen := map[uint32]bool{}
		for i := s.Spans - 1; i >= 0 && len(seen) < lanes; i-- {
			if !seen[r.Lane[i]] {
				seen[r.Lane[i]] = true
				if r.State[i] == ok {
					now = min(now, r.End[i])
				}
			}
		}
		for i := range r.End {
			if r.End[i] > now && r.State[i] == ok {
				r.End[i], r.State[i] = math.NaN(), running
				open++
			}
		}
		done -= open
	}
	for n := range 400 {
		t := now * float64(n+1) / 400
		share := float64(n+1) / 400
		r.SampleT = append(r.SampleT, t)
		r.SampleRunning = append(r.SampleRunning, float32(lanes))
		r.SampleQueued = append(r.SampleQueued, float32(float64(s.Spans)*math.Max(0, 0.12-0.1*share)*(0.8+0.2*math.Sin(share*40))))
		r.SampleCPU = append(r.SampleCPU, float32(2*(0.75+0.2*math.Sin(share*60)*rng.Float64())))
		r.SampleRSS = append(r.SampleRSS, float32(120e6+80e6*share+10e6*math.Sin(share*90)))
		r.SampleDone = append(r.SampleDone, float32(float64(done+again+lost)*share))
		r.SampleFailed = append(r.SampleFailed, float32(float64(lost)*share))
	}
	var errors []map[string]any
	for k, e := range kinds {
		errors = append(errors, map[string]any{
			"n": k + 1, "kind": e.kind, "print": fmt.Sprintf("%016x", 0x9e3779b97f4a7c15*uint64(k+1)), "text": e.text, "stack": e.stack,
			"count": counts[k], "first": first[k], "last": last[k], "sample": sample[k],
		})
	}
	kept := errors[:0]
	index := make([]int32, len(errors))
	for k, e := range errors {
		index[k] = int32(len(kept))
		if counts[k] > 0 {
			kept = append(kept, e)
		}
	}
	for i, k := range r.Error {
		if k >= 0 {
			r.Error[i] = index[k]
		}
	}
	engines := []map[string]any{{"e": 1, "name": "threads", "kind": "threads", "limit": s.Lanes, "why": "24 sample tasks: wall 41.2 ms, CPU 38.9 ms: 94 % CPU-bound"}}
	if s.Workers {
		engines[0] = map[string]any{"e": 1, "name": "processes", "kind": "processes", "limit": s.Lanes, "why": "--engine"}
	}
	if s.Second {
		engines = append(engines, map[string]any{"e": 2, "name": "async", "kind": "async", "limit": 4, "why": "compared"})
	}
	r.Head = map[string]any{
		"version": 1, "seq": s.Spans, "state": state, "now": now, "end": end,
		"run": map[string]any{
			"id": "01JDQW8Z5R9V6M3K2H7T4XNBCE", "name": "resize", "task": "resize",
			"args": []string{"braid", "run", "--name", "resize", "-j", "16", "convert {} -resize 50% out/{/}", "::::", "photos.txt"},
			"wall": "2026-11-27T09:20:01.123456789Z", "braid": "v0.6.0", "go": "go1.26.8", "os": "linux", "arch": "amd64",
			"host": "mill", "pid": 41190, "cpus": 2, "dir": "/srv/photos",
		},
		"inputs": map[string]any{"total": call, "read": call},
		"counts": map[string]any{
			"ok": done, "retried": again, "failed": lost, "running": open, "queued": 0, "stopped": 0, "skipped": 0,
		},
		"engines": engines, "lanes": heads, "tasks": tasks, "errors": kept,
		"marks": []map[string]any{
			{"t": now * 0.3, "kind": "resize", "text": "16 → 12 lanes: less than 2 GiB of memory free", "lane": -1},
			{"t": now * 0.45, "kind": "slow", "text": "photos/2026/04/IMG_00412.jpg takes more than 10 times the median", "lane": 3},
		},
		"advice": []map[string]any{
			{"code": "straggler", "text": "One task took 12 times the median and ended 3.1 s after every other lane was idle. Long tasks first would end the run sooner.", "try": "--order longest"},
			{"code": "idle lanes", "text": "Lanes were idle 34 % of the time, because the input came slower than tasks ran.", "try": "-j 11"},
		},
		"dropped": 0, "decision": "engine  threads ×16  (auto)\nwhy     24 sample tasks: wall 41.2 ms, CPU 38.9 ms → 94 % CPU-bound\n        threads    predicted 388/s   raced 381/s  [372, 390]   ← chosen\n        processes  predicted 371/s   raced 362/s  [351, 373]   within the tie band",
		"texts": "inline", "strings": strings, "truncated": nil, "control": false, "sorted": !s.Live,
	}
	if s.Lazy {
		r.Head["texts"] = "lazy"
		delete(r.Head, "strings")
	}
	if !s.Live {
		r.sort()
	}
	return r
}

// sort puts the spans in order of start.
func (r *Run) sort() {
	order := make([]int, len(r.Start))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(r.Start[a], r.Start[b]) })
	place := make([]int, len(order)) // where each span goes
	for to, from := range order {
		place[from] = to
	}
	for _, e := range r.Head["errors"].([]map[string]any) {
		e["sample"] = place[e["sample"].(int)]
	}
	sorted(&r.Start, order)
	sorted(&r.End, order)
	sorted(&r.Queued, order)
	sorted(&r.Lane, order)
	sorted(&r.Task, order)
	sorted(&r.Input, order)
	sorted(&r.Text, order)
	sorted(&r.Attempt, order)
	sorted(&r.State, order)
	sorted(&r.Error, order)
	sorted(&r.CPU, order)
	sorted(&r.Parked, order)
	sorted(&r.RSS, order)
	sorted(&r.Call, order)
}

// sorted replaces a list by its elements in the given order.
func sorted[T any](list *[]T, order []int) {
	old := *list
	made := make([]T, len(old))
	for to, from := range order {
		made[to] = old[from]
	}
	*list = made
}
