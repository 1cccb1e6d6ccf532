package webtest

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// One failure among very many spans is seen when everything is on the screen: on its
// lane, in the group above it, and on the map of the whole run.
func TestOneFailureIsSeen(t *testing.T) {
	const only = 61_234
	run := Make(Shape{Spans: 100_000, Lanes: 16, Mean: 10_000, Only: only})
	_, url := serve(t, run)
	p := open(t, laptop, url)
	p.ready()
	p.shot("one-failure")
	// Vermilion pixels by row of the picture: how many, and the middle of them.
	type place struct{ X, Y, Count float64 }
	got := eval[map[string]place](p, fmt.Sprintf(`(() => {
		const tl = braid.parts.timeline;
		const i = braid.model.value.failed()[0];
		const at = tl.place(i);
		const fail = tl.theme.fail.slice(1).match(/../g).map((x) => parseInt(x, 16));
		const c = tl.canvas.getContext("2d", { willReadFrequently: true });
		const d = c.getImageData(0, 0, tl.width, tl.height);
		const look = (y0, y1) => {
			let n = 0, sx = 0, sy = 0;
			for (let y = Math.round(y0); y < y1; y++) for (let x = tl.gutter; x < tl.width; x++) {
				const k = 4 * (y * d.width + x);
				if ([0, 1, 2].every((j) => Math.abs(d.data[k + j] - fail[j]) < 24)) { n++; sx += x; sy += y; }
			}
			return { X: sx / n, Y: sy / n, Count: n };
		};
		const lanes = tl.lanesTop();
		return {
			lane: look(at.y - 15, at.y + 15), group: look(lanes, lanes + 20), map: look(0, 30),
			elsewhere: look(at.y + 16, tl.height), want: { X: at.x, Y: at.y, Count: %d },
		};
	})()`, only))
	want := got["want"]
	for _, name := range []string{"lane", "group", "map"} {
		g := got[name]
		if g.Count < 20 || math.Abs(g.X-want.X) > 15 {
			t.Errorf("%s: %v pixels of a failure around x = %.0f, which is at %.0f", name, g.Count, g.X, want.X)
		}
	}
	if n := got["elsewhere"].Count; n > 0 {
		t.Errorf("%v pixels of failures where there are none", n)
	}
	// It attracts the pointer, too.
	p.run(chromedp.MouseClickXY(eval[float64](p, "braid.parts.timeline.host.getBoundingClientRect().x")+want.X+1,
		eval[float64](p, "braid.parts.timeline.host.getBoundingClientRect().y")+want.Y))
	p.settled()
	if i := eval[int](p, "braid.model.value.state[braid.selected.value]"); i != failed {
		t.Errorf("a click on it selects a span of state %d", i)
	}
}

// All that a person can do with the keyboard, from the first look to the inspector of a
// failure and back.
func TestKeyboard(t *testing.T) {
	server, url := serve(t, Make(mixed))
	for i := range mixed.Spans {
		server.SetDetails(i, map[string]any{
			"input": fmt.Sprintf("the whole input of %d", i), "stdout": "out\n", "stderr": "cannot open it\n",
			"exit": 7,
		})
	}
	p := open(t, laptop, url)
	p.ready()
	span := func() float64 {
		return eval[float64](p, "braid.parts.timeline.view.to - braid.parts.timeline.view.from")
	}
	from := func() float64 { return eval[float64](p, "braid.parts.timeline.view.from") }
	whole := span()
	p.press("w", "w")
	if s := span(); s >= whole {
		t.Errorf("W zooms from %v to %v", whole, s)
	}
	near, left := span(), from()
	p.press("d")
	if from() <= left || math.Abs(span()-near) > 1 {
		t.Error("D does not move right")
	}
	p.press("a", "s")
	if span() <= near {
		t.Error("S does not zoom out")
	}
	p.ctrl("z")
	p.press("0")
	if math.Abs(span()-whole) > 1 {
		t.Errorf("0 shows %v of %v", span(), whole)
	}

	// To the first failure, what is known of it, and closer.
	p.press("]")
	first := eval[int](p, "braid.selected.value")
	if n := eval[int](p, "braid.model.value.failed()[0]"); first != n {
		t.Errorf("] selects %d, and the first failure is %d", first, n)
	}
	p.until("document.querySelector('.side').innerText.includes('cannot open it')")
	text := eval[string](p, "document.querySelector('.side').innerText")
	for _, want := range []string{fmt.Sprintf("the whole input of %d", first), "exit\n7"} {
		if !strings.Contains(text, want) {
			t.Errorf("the inspector lacks %q:\n%s", want, text)
		}
	}
	p.press("f")
	if s := span(); s > whole/10 {
		t.Errorf("F shows %v of %v", s, whole)
	}
	p.press("]", "[")
	if i := eval[int](p, "braid.selected.value"); i != first {
		t.Errorf("] and [ end at %d, not at %d", i, first)
	}
	p.press(".")
	next := eval[[]float64](p, "[braid.selected.value, ...[braid.selected.value, "+fmt.Sprint(first)+"].map((i) => braid.model.value.lane[i])]")
	if int(next[0]) == first || next[1] != next[2] {
		t.Errorf(". goes from %d to %v", first, next)
	}
	p.press(",")
	if i := eval[int](p, "braid.selected.value"); i != first {
		t.Errorf(", goes back to %d, not to %d", i, first)
	}
	// What is shown is in the address, and the address shows it again.
	p.until(fmt.Sprintf("location.hash.includes('span=%d')", first))
	hash := eval[string](p, "location.hash")
	again := open(t, laptop, url+hash)
	again.ready()
	if i := eval[int](again, "braid.selected.value"); i != first {
		t.Errorf("the address %s selects %d", hash, i)
	}
	if s := eval[float64](again, "braid.parts.timeline.view.to - braid.parts.timeline.view.from"); math.Abs(s-span()) > span()/100 {
		t.Errorf("the address %s shows %v and not %v", hash, s, span())
	}

	// The table holds the same, and its keys work.
	p.press(escape)
	if i := eval[int](p, "braid.selected.value"); i != -1 {
		t.Errorf("Esc leaves %d selected", i)
	}
	p.press("3")
	p.until("document.activeElement.getAttribute('role') === 'grid'")
	p.press(kb.End, kb.Enter)
	if i := eval[int](p, "braid.selected.value"); i != mixed.Spans-1 {
		t.Errorf("End and Enter in the table select %d", i)
	}
	p.press(kb.Home, kb.ArrowDown, kb.ArrowDown, kb.Enter)
	if i := eval[int](p, "braid.selected.value"); i != 2 {
		t.Errorf("the third row is %d", i)
	}
	p.press("/")
	p.until("document.activeElement.id === 'filter'")
	p.ctrl("a") // the protocol types the slash though the page has taken the key
	p.run(chromedp.KeyEvent("state:failed"))
	p.until("document.querySelector('.foot').innerText.startsWith('8 of 3,000')")
	p.shot("filtered")
	p.press(escape, escape)
	if f := eval[string](p, "braid.filterText.value"); f != "" {
		t.Errorf("Esc leaves the filter %q", f)
	}
	p.run(chromedp.Blur("#filter"))
	for _, by := range []string{"task", "state", "lane"} {
		p.press("g")
		p.settled()
		p.shot("by-" + by)
		if g := eval[string](p, "braid.parts.timeline.grouping"); g != by {
			t.Errorf("G groups by %q, not %q", g, by)
		}
	}
	rows := eval[int](p, "braid.parts.timeline.layout.rows.length")
	p.press("c")
	if n := eval[int](p, "braid.parts.timeline.layout.rows.length"); n >= rows {
		t.Errorf("C leaves %d rows of %d", n, rows)
	}
	p.shot("folded")
	p.press("c", "?")
	p.run(chromedp.WaitVisible("dialog[open]"))
	p.press(escape)
	p.run(chromedp.WaitNotPresent("dialog[open]"))
}

func TestMouse(t *testing.T) {
	_, url := serve(t, Make(mixed))
	p := open(t, laptop, url)
	p.ready()
	x := eval[float64](p, "braid.parts.timeline.host.getBoundingClientRect().x")
	y := eval[float64](p, "braid.parts.timeline.host.getBoundingClientRect().y")
	top := y + eval[float64](p, "braid.parts.timeline.lanesTop()")

	// A drag on the axis sums up a range.
	p.run(chromedp.DragAndDropXY(x+300, y+40, x+600, y+40, 5))
	p.until("document.querySelector('.side').innerText.includes('lanes busy')")
	r := eval[[]float64](p, "[braid.range.value.from, braid.range.value.to, braid.model.value.now]")
	if r[1] <= r[0] || r[1] > r[2] {
		t.Errorf("the range is %v", r)
	}
	p.shot("range")
	p.press("f")
	if v := eval[float64](p, "braid.parts.timeline.visible().from"); v > r[0] || v < 0.5*r[0] {
		t.Errorf("F shows from %v, the range is from %v", v, r[0])
	}
	p.press(escape)

	// A drag of the lanes pans, and undo goes back.
	before := eval[float64](p, "braid.parts.timeline.view.from")
	p.run(chromedp.DragAndDropXY(x+600, top+100, x+500, top+100, 5))
	p.settled()
	if after := eval[float64](p, "braid.parts.timeline.view.from"); after <= before {
		t.Errorf("a drag to the left moves from %v to %v", before, after)
	}
	p.ctrl("z")
	if after := eval[float64](p, "braid.parts.timeline.view.from"); math.Abs(after-before) > 1 {
		t.Errorf("undo goes to %v, not to %v", after, before)
	}

	// A click on a group folds it; a click on a bar selects it.
	rows := eval[int](p, "braid.parts.timeline.layout.rows.length")
	p.run(chromedp.MouseClickXY(x+20, top+8))
	p.settled()
	if n := eval[int](p, "braid.parts.timeline.layout.rows.length"); n != 1 {
		t.Errorf("folding leaves %d rows of %d", n, rows)
	}
	p.run(chromedp.MouseClickXY(x+20, top+20))
	p.settled()
	bar := eval[[]float64](p, `(() => {
		const tl = braid.parts.timeline, m = braid.model.value;
		const track = m.tracks[2], i = track.span[track.after(tl.middle)];
		const at = tl.place(i);
		return [i, at.x + Math.min(at.width, tl.width - at.x) / 2, at.y];
	})()`)
	p.run(chromedp.MouseClickXY(x+bar[1], y+bar[2]))
	p.settled()
	if i := eval[float64](p, "braid.selected.value"); i != bar[0] {
		t.Errorf("a click on %v selects %v", bar[0], i)
	}
}

// A run that goes on: news arrive, spans grow and end, the end is shown and the stream closed.
func TestLive(t *testing.T) {
	run := Make(Shape{Spans: 400, Lanes: 4, Mean: 50_000, Live: true})
	server, url := serve(t, run)
	p := open(t, laptop, url)
	p.ready()
	p.until("braid.connection.value === 'live'")
	p.shot("live")
	if f := server.Froms(); len(f) != 1 || f[0] != "400" {
		t.Errorf("streams began at %q, and the snapshot is number 400", f)
	}
	now := run.Head["now"].(float64)
	open := eval[[]int](p, "Array.from(braid.model.value.state).flatMap((s, i) => s === 7 ? [i] : [])")
	if len(open) == 0 {
		t.Fatal("nothing runs")
	}
	// One ends as a failure, of a kind that is new; and the run goes on.
	i := open[0]
	run.End[i], run.State[i], run.Error[i] = now+10_000, panicked, 0
	run.Head["now"] = now + 500_000
	run.Head["counts"] = map[string]any{"ok": 390, "failed": 1, "running": len(open) - 1}
	server.Send(401, "delta", run.Delta(401, []int{i}, map[string]any{
		"errors":  []map[string]any{{"n": 1, "kind": "panic", "print": "00000000deadbeef", "text": "boom", "count": 1, "first": now, "last": now, "sample": i}},
		"samples": [][]float64{{now + 500_000, 3, 9, 1, 1e6, 391, 1}},
		"marks":   []map[string]any{{"t": now, "kind": "halt", "text": "no more are started", "lane": -1}},
	}))
	p.until("braid.model.value.head.seq === 401")
	p.settled()
	got := eval[[]float64](p, fmt.Sprintf("[braid.model.value.state[%d], braid.model.value.failed().length, braid.parts.timeline.view.to]", i))
	if got[0] != panicked || got[1] != 1 || got[2] < now+500_000 {
		t.Errorf("after the news: %v", got)
	}
	p.press("1")
	p.until("document.querySelector('#panel').innerText.includes('boom')")

	// Held still, the view does not move; what came meanwhile comes when it goes on.
	p.run(chromedp.Blur("#filter"))
	p.press("p")
	server.Send(402, "delta", run.Delta(402, nil, map[string]any{"now": now + 900_000}))
	p.until("braid.unseen.value >= 0 && document.querySelector('.pill') !== null")
	if seq := eval[int](p, "braid.model.value.head.seq"); seq != 401 {
		t.Errorf("the view is held, and shows number %d", seq)
	}
	p.press("p")
	p.until("braid.model.value.head.seq === 402")

	// At the end the page fetches everything once more, and keeps what is selected.
	eval[bool](p, fmt.Sprintf("(location.hash = 'span=%d', true)", i))
	p.until(fmt.Sprintf("braid.selected.value === %d", i))
	call := run.Call[i]
	run.Head["state"], run.Head["now"], run.Head["seq"] = "ended", now+900_000, 403
	run.Head["end"] = map[string]any{"t": now + 900_000, "verdict": "failed", "exit": 3}
	run.Head["errors"] = []map[string]any{{"n": 1, "kind": "panic", "print": "00000000deadbeef", "text": "boom", "count": 1, "first": now, "last": now, "sample": i}}
	for _, k := range open[1:] {
		run.End[k], run.State[k] = now+900_000, ok
	}
	run.sort()
	server.SetSnapshot(run)
	server.Send(403, "delta", run.Delta(403, nil, map[string]any{"end": map[string]any{"t": now + 900_000, "verdict": "failed", "exit": 3}}))
	p.until("document.querySelector('.verdict').innerText.includes('failed') && braid.connection.value === 'none'")
	if c := eval[uint32](p, "braid.model.value.call[braid.selected.value]"); c != call {
		t.Errorf("call %d was selected, and now is %d", call, c)
	}
	p.shot("live-ended")
}

// Nobody looks: the stream is closed, and goes on when somebody does.
func TestHidden(t *testing.T) {
	run := Make(Shape{Spans: 100, Lanes: 4, Mean: 50_000, Live: true})
	server, url := serve(t, run)
	p := open(t, laptop, url)
	p.ready()
	p.until("braid.connection.value === 'live'")
	look := func(hidden bool) {
		eval[bool](p, fmt.Sprintf(`(Object.defineProperty(document, "hidden", { configurable: true, get: () => %v }),
			document.dispatchEvent(new Event("visibilitychange")))`, hidden))
	}
	look(true)
	p.until("braid.connection.value === 'hidden'")
	server.Send(101, "delta", run.Delta(101, nil, nil))
	look(false)
	p.until("braid.connection.value === 'live' && braid.model.value.head.seq === 101")
	if f := server.Froms(); len(f) != 2 || f[1] != "100" {
		t.Errorf("streams began at %q", f)
	}
	eval[bool](p, `new Promise((r) => setTimeout(() => r(true), 0))`)
	if n := server.Closed(); n > 1 {
		t.Errorf("%d streams of 2 have ended", n)
	}
}

// What can be done to a running run, where its server allows it.
func TestControl(t *testing.T) {
	run := Make(Shape{Spans: 100, Lanes: 4, Mean: 50_000, Live: true})
	run.Head["control"] = true
	server, url := serve(t, run)
	p := open(t, laptop, url)
	p.ready()
	click := func(text string) {
		eval[bool](p, fmt.Sprintf("([...document.querySelectorAll('button')].find((b) => b.innerText === %q || b.ariaLabel === %q).click(), true)", text, text))
		p.settled()
	}
	click("Pause")
	click("Resume")
	click("one lane more")
	click("one lane more")
	click("one lane fewer")
	click("Stop")
	p.run(chromedp.WaitVisible("dialog[open]"))
	p.shot("stop")
	click("Leave it")
	p.run(chromedp.WaitNotPresent("dialog[open]"))
	click("Stop")
	click("Stop the run")
	p.until("braid.notice.value === 'stopping'")
	want := []string{"/api/pause", "/api/resume", "/api/jobs?n=5", "/api/jobs?n=6", "/api/jobs?n=5", "/api/stop"}
	got := server.Posts()
	slices.Sort(got) // they are sent side by side
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the server got %q, not %q", got, want)
	}
}

// Texts of inputs that are not in the page are searched by the server.
func TestFind(t *testing.T) {
	s := Shape{Spans: 1000, Lanes: 4, Mean: 50_000, Lazy: true}
	run := Make(s)
	server, url := serve(t, run)
	texts := make([]string, s.Spans)
	for i := range texts {
		texts[i] = fmt.Sprintf("item %d", i)
	}
	texts[7], texts[900] = "The Needle", "another needle"
	server.SetInputs(texts)
	p := open(t, laptop, url+"#tab=all&q=needle")
	p.ready()
	p.until("document.querySelector('.foot')?.innerText.startsWith('2 of 1,000 attempts match')")
	if text := eval[string](p, "document.querySelector('.tbody').innerText"); !strings.Contains(text, "#8") || !strings.Contains(text, "#901") {
		t.Errorf("the table is %q", text)
	}
}

// The server goes away and comes back: the page keeps what it has, says that it is stale,
// and goes on from where it was.
func TestReconnect(t *testing.T) {
	run := Make(Shape{Spans: 200, Lanes: 4, Mean: 50_000, Live: true})
	server := NewServer(dist, run)
	var up atomic.Pointer[Server] // nil: there is no server
	up.Store(server)
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := up.Load()
		if s == nil {
			panic(http.ErrAbortHandler) // the connection breaks
		}
		s.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		h.CloseClientConnections()
		h.Close()
	})
	p := open(t, laptop, h.URL+"/")
	p.forgiving("net::ERR_") // the browser tells of each attempt that fails
	p.ready()
	p.until("braid.connection.value === 'live'")
	server.Send(201, "delta", run.Delta(201, nil, nil))
	p.until("braid.model.value.head.seq === 201")

	up.Store(nil)
	h.CloseClientConnections()
	p.until("braid.connection.value === 'lost' && document.querySelector('.dot-lost') !== null")
	p.shot("lost")
	if n := eval[int](p, "braid.model.value.n"); n != 200 {
		t.Errorf("%d spans are left", n)
	}
	second := NewServer(dist, run)
	up.Store(second)
	p.until("braid.connection.value === 'live'")
	if f := second.Froms(); f[len(f)-1] != "201" {
		t.Errorf("the stream goes on from %q, not 201", f)
	}
	second.Send(202, "delta", run.Delta(202, nil, nil))
	p.until("braid.model.value.head.seq === 202")

	// A server that cannot go on from there says so, and the page fetches everything.
	more := Make(Shape{Spans: 300, Lanes: 4, Mean: 50_000, Live: true})
	more.Head["seq"] = 900
	second.SetSnapshot(more)
	second.Send(900, "resync", []byte(`{"seq":900}`))
	p.until("braid.model.value.n === 300 && braid.model.value.head.seq === 900 && braid.connection.value === 'live'")
}

// States other than a run that went its way.
func TestStates(t *testing.T) {
	for _, c := range []struct {
		name string
		run  func() *Run
		want []string // text of the page
	}{
		{"empty", func() *Run {
			r := Make(Shape{Lanes: 2})
			r.Head["inputs"] = map[string]any{"total": 0, "read": 0}
			r.Head["errors"], r.Head["marks"], r.Head["advice"] = nil, nil, nil
			return r
		}, []string{"There was no input"}},
		{"waiting", func() *Run {
			r := Make(Shape{Lanes: 2, Live: true})
			r.Head["engines"], r.Head["decision"] = nil, nil
			return r
		}, []string{"Choosing an engine", "running"}},
		{"one task", func() *Run { return Make(Shape{Spans: 1, Lanes: 1, Mean: 40_000}) }, []string{"1\nok"}},
		{"died", func() *Run {
			r := Make(mixed)
			r.Head["state"], r.Head["end"] = "died", nil
			return r
		}, []string{"The run died", "--resume 01JDQW8Z5R9V6M3K2H7T4XNBCE", "died"}},
		{"stale", func() *Run {
			r := Make(mixed)
			r.Head["state"], r.Head["end"] = "stale", nil
			return r
		}, []string{"No news of this run"}},
		{"stopped", func() *Run {
			r := Make(mixed)
			for i := range 5 { // they never ran, and so have no lane
				r.State[i], r.Lane[i], r.End[i] = refused, math.MaxUint32, r.Start[i]
			}
			r.Head["end"] = map[string]any{"t": 1, "verdict": "stopped", "exit": 5}
			return r
		}, []string{"was stopped before its end", "stopped"}},
		{"truncated", func() *Run {
			r := Make(mixed)
			r.Head["truncated"] = map[string]any{"shown": 3000, "of": 1_200_000}
			r.Head["dropped"] = 17
			return r
		}, []string{"Shown are 3,000 of 1,200,000", "17 events were not recorded"}},
		{"two engines", func() *Run { s := mixed; s.Second = true; return Make(s) }, []string{"processes", "async"}},
		{"newer", func() *Run {
			r := Make(Shape{Lanes: 1})
			r.Head["version"] = 9
			return r
		}, []string{"This run cannot be shown", "version 9", "newer braid"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, url := serve(t, c.run())
			p := open(t, laptop, url)
			if c.name == "newer" {
				p.until("document.querySelector('main.boot') !== null")
			} else {
				p.ready()
			}
			text := eval[string](p, "document.body.innerText")
			for _, want := range c.want {
				if !strings.Contains(strings.ReplaceAll(text, " ", " "), want) && !strings.Contains(strings.ReplaceAll(text, "\n", " "), strings.ReplaceAll(want, "\n", " ")) {
					t.Errorf("the page lacks %q:\n%s", want, text)
				}
			}
			p.shot("state-" + strings.ReplaceAll(c.name, " ", "-"))
		})
	}
}

func TestCollapseIdle(t *testing.T) {
	s := mixed
	s.Idle = true
	_, url := serve(t, Make(s))
	p := open(t, laptop, url)
	p.ready()
	full := inked(p)
	p.shot("idle")
	p.press("x")
	if n := eval[int](p, "braid.parts.timeline.warp.gaps"); n < 1 {
		t.Fatalf("%d gaps are collapsed", n)
	}
	if less := inked(p); less < 1.4*full {
		t.Errorf("the lanes are %.0f %% full, and %.0f %% without idle time", 100*full, 100*less)
	}
	p.shot("idle-collapsed")
	p.press("]", "f")
	i := eval[int](p, "braid.selected.value")
	at := eval[[]float64](p, fmt.Sprintf("(() => { const a = braid.parts.timeline.place(%d); return [a.x, a.width, braid.parts.timeline.width]; })()", i))
	if at[0] < 148 || at[0]+at[1] > at[2] {
		t.Errorf("the failure is at %v", at)
	}
	p.press("x", "0")
	if again := inked(p); math.Abs(again-full) > 0.05 {
		t.Errorf("and back the lanes are %.0f %% full, not %.0f %%", 100*again, 100*full)
	}
}

// The run as one file: no server, nothing loaded, and a policy that allows just what is in it.
func TestFile(t *testing.T) {
	run := Make(mixed)
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join(string(dist), name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	page, script, style := read("index.html"), read("app.js"), read("app.css")
	hash := func(s string) string {
		h := sha256.Sum256([]byte(s))
		return "'sha256-" + base64.StdEncoding.EncodeToString(h[:]) + "'"
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	z.Write(run.Encode())
	z.Close()
	sample := run.Head["errors"].([]map[string]any)[0]["sample"].(int)
	policy := fmt.Sprintf(`<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src %s; style-src %s">`, hash(script), hash(style))
	data := fmt.Sprintf("<script type=\"application/octet-stream\" id=\"snapshot\">%s</script>\n<script id=\"details\" type=\"application/json\">{\"%d\":{\"stderr\":\"from the file\"}}</script>\n",
		base64.StdEncoding.EncodeToString(packed.Bytes()), sample)
	for _, r := range [][2]string{
		{`<meta charset="utf-8">`, `<meta charset="utf-8">` + policy},
		{`<link rel="stylesheet" href="app.css">`, "<style>" + style + "</style>"},
		{`<script src="app.js"></script>`, data + "<script>" + script + "</script>"},
	} {
		if !strings.Contains(page, r[0]) {
			t.Fatalf("index.html lacks %s, which the file's maker replaces", r[0])
		}
		page = strings.Replace(page, r[0], r[1], 1)
	}
	if strings.Contains(script, "</script") {
		t.Error("app.js would end its own element")
	}
	name := filepath.Join(t.TempDir(), "run.html")
	if err := os.WriteFile(name, []byte(page), 0o644); err != nil {
		t.Fatal(err)
	}
	p := open(t, laptop, "file://"+filepath.ToSlash(name))
	p.ready()
	if n := eval[int](p, "braid.model.value.n"); n != mixed.Spans {
		t.Errorf("%d spans", n)
	}
	eval[bool](p, "(document.querySelector('.failures .line').click(), true)")
	p.until("braid.selected.value >= 0")
	eval[bool](p, fmt.Sprintf("(location.hash = 'span=%d', true)", sample))
	p.until("document.querySelector('.side').innerText.includes('from the file')")
	p.shot("file")
}

// What assistive technology finds: names and roles for all there is to use, and a line
// that tells how the run stands.
func TestAccessible(t *testing.T) {
	_, url := serve(t, Make(mixed))
	p := open(t, laptop, url)
	p.ready()
	p.press("3")
	for expression, what := range map[string]string{
		"[...document.querySelectorAll('button, select, input')].every((b) => (b.innerText || b.getAttribute('aria-label') || b.labels?.[0]?.innerText || '').trim() !== '')": "every control has a name",
		"document.querySelector('.timeline canvas').getAttribute('role') === 'img' && /8 failed/.test(document.querySelector('.timeline canvas').ariaLabel)":                  "the picture tells how the run stands",
		"document.querySelector('[aria-live=polite]').innerText.includes('failed')":                                                                                           "a line tells how the run stands",
		"Number(document.querySelector('[role=grid]').getAttribute('aria-rowcount')) === 3001":                                                                                "the table tells how long it is",
		"document.querySelectorAll('[role=tab][aria-selected=true]').length === 1":                                                                                            "one tab is selected",
		"document.querySelectorAll('h1').length === 1 && document.documentElement.lang === 'en'":                                                                              "one heading, one language",
		"[...document.querySelectorAll('button')].every((b) => { const r = b.getBoundingClientRect(); return r.width === 0 || (r.height >= 18 && r.width >= 18); })":          "targets are large enough",
		"document.getAnimations().length === 0": "nothing moves by itself",
	} {
		if !eval[bool](p, expression) {
			t.Errorf("not so: %s", what)
		}
	}
	// Text against its ground, in both themes: 4.5 to 1.
	for _, scheme := range []string{"light", "dark"} {
		eval[bool](p, fmt.Sprintf("(braid.theme.value = %q, true)", scheme))
		p.settled()
		low := eval[[]string](p, `(() => {
			const v = (n) => getComputedStyle(document.documentElement).getPropertyValue("--" + n).trim();
			const lum = (hex) => hex.slice(1).match(/../g).map((x) => parseInt(x, 16) / 255).map((c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
				.reduce((s, c, k) => s + c * [0.2126, 0.7152, 0.0722][k], 0);
			const contrast = (a, b) => { const [x, y] = [lum(v(a)), lum(v(b))]; return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05); };
			const out = [];
			const need = (a, b, least) => { const c = contrast(a, b); if (c < least) out.push(a + " on " + b + " is " + c.toFixed(2)); };
			for (const ground of ["panel", "lane", "stripe"]) for (const text of ["ink", "muted", "accent", "fail-text", "retry-text", "ok-text"]) need(text, ground, 4.5);
			for (let k = 0; k < 8; k++) need("task-" + k, "lane", 3);
			for (const mark of ["fail", "retry", "c-running", "c-queued", "c-cpu", "c-rss"]) need(mark, "lane", 3);
			need("fail-ink", "fail", 4.5);
			return out;
		})()`)
		for _, l := range low {
			t.Errorf("%s: %s", scheme, l)
		}
	}
}
