package webtest

import (
	"fmt"
	"testing"
)

// pan moves the view by a pixel a frame for a number of frames, and returns how long the
// page took to draw each, in ms: the median, the 95 % and the longest.
func pan(p *tab, frames int) [3]float64 {
	return eval[[3]float64](p, fmt.Sprintf(`(async () => {
		const tl = braid.parts.timeline;
		tl.frameTimes.length = 0;
		for (let k = 0; k < %d; k++) {
			tl.pan((k %% 40 < 20 ? 2 : -2) / tl.plot);
			await new Promise((r) => requestAnimationFrame(r));
		}
		const t = [...tl.frameTimes].sort((a, b) => a - b);
		return [t[t.length >> 1], t[Math.floor(t.length * 0.95)], t[t.length - 1]];
	})()`, frames))
}

// TestLarge opens large runs and moves through them. It asserts what is drawn; how long
// that took is reported, for who reads it.
func TestLarge(t *testing.T) {
	for _, c := range []struct {
		name  string
		shape Shape
	}{
		{"100k", Shape{Spans: 100_000, Lanes: 16, Mean: 10_000, Tasks: 3, Failing: 0.001, Retried: 0.005}},
		{"100k on 1000 lanes", Shape{Spans: 100_000, Lanes: 1000, Mean: 100_000}},
		{"1M", Shape{Spans: 1_000_000, Lanes: 16, Mean: 1_000, Failing: 0.0001, Lazy: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if testing.Short() && c.shape.Spans > 100_000 {
				t.Skip("a million spans take a while")
			}
			_, url := serve(t, Make(c.shape))
			p := open(t, desk, url)
			p.ready()
			first := eval[float64](p, "braid.painted.value")
			if n := eval[int](p, "braid.model.value.n"); n != c.shape.Spans {
				t.Errorf("the page has %d spans of %d", n, c.shape.Spans)
			}
			if share := inked(p); share < 0.3 {
				t.Errorf("only %.0f %% of the lanes are drawn on", 100*share)
			}
			p.shot("large-" + c.name)
			all := pan(p, 60)
			eval[bool](p, "braid.parts.timeline.fitTime(braid.model.value.now * 0.4, braid.model.value.now * 0.41), true")
			p.settled()
			near := pan(p, 60)
			p.shot("large-" + c.name + "-near")
			if share := inked(p); share < 0.3 {
				t.Errorf("zoomed in, only %.0f %% of the lanes are drawn on", 100*share)
			}
			t.Logf("first paint %.0f ms after navigation; drawing a frame while panning, median/95 %%/longest: all %.1f/%.1f/%.1f ms, 1 %% %.1f/%.1f/%.1f ms",
				first, all[0], all[1], all[2], near[0], near[1], near[2])
		})
	}
}

// inked returns which share of the pixels of the lanes is not background.
func inked(p *tab) float64 {
	p.forgiving("willReadFrequently") // the page itself never reads pixels
	return eval[float64](p, `(() => {
		const tl = braid.parts.timeline;
		const top = tl.lanesTop();
		const c = tl.canvas.getContext("2d");
		const w = tl.plot, h = Math.min(tl.height - top, tl.layout.height);
		const d = new Uint32Array(c.getImageData(tl.gutter, top, w, h).data.buffer);
		const counts = new Map();
		for (const v of d) counts.set(v, (counts.get(v) ?? 0) + 1);
		const [r, g, b] = [1, 3, 5].map((k) => parseInt(tl.theme.back.slice(k, k + 2), 16));
		const back = (255 << 24 | b << 16 | g << 8 | r) >>> 0;
		return 1 - (counts.get(back) ?? 0) / d.length;
	})()`)
}
