package webtest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	downloads "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp"
)

// A pinned lane stays where it is while the others scroll, for the mouse as for the
// keyboard, and the address tells of it.
func TestPinnedLane(t *testing.T) {
	_, url := serve(t, Make(Shape{Spans: 4000, Lanes: 60, Mean: 10_000, Only: 2345}))
	p := open(t, laptop, url)
	p.ready()
	type place struct{ Y, Lanes, Scroll float64 }
	where := func(lane int) place {
		return eval[place](p, fmt.Sprintf(`(() => {
			const tl = braid.parts.timeline;
			const row = tl.rows()[tl.layout.rowOfLane[%d]];
			return { Y: tl.rowTop(row), Lanes: tl.lanesTop(), Scroll: tl.scroll };
		})()`, lane))
	}
	p.press("t")
	p.until("braid.notice.value.includes('select a task first')")
	p.press("]", "t")
	lane := eval[int](p, "braid.model.value.lane[braid.selected.value]")
	eval[bool](p, "(braid.parts.timeline.scrollBy(1e6), true)")
	p.settled()
	at := where(lane)
	if at.Y != at.Lanes || at.Scroll == 0 {
		t.Errorf("the pinned lane is at %v, the lanes begin at %v, scrolled by %v", at.Y, at.Lanes, at.Scroll)
	}
	p.shot("pinned")

	// What is drawn there can be clicked, and what is below it is another lane.
	hit := func(y float64) int {
		return eval[int](p, fmt.Sprintf(`(() => {
			const tl = braid.parts.timeline;
			for (let x = tl.gutter; x < tl.width; x++) {
				const i = tl.hit(x, %v);
				if (i >= 0) return braid.model.value.lane[i];
			}
			return -1;
		})()`, y))
	}
	if got := hit(at.Y + 5); got != lane {
		t.Errorf("at the place of lane %d there is one of lane %d", lane, got)
	}
	if got := hit(at.Y + 60); got == lane || got < 0 {
		t.Errorf("below the pinned lane there is lane %d", got)
	}

	// Another one by the mouse, which then lets it go again.
	other := eval[int](p, "braid.parts.timeline.rows().filter((r) => r.kind === 'slot').at(-1).lane")
	clickName := func() {
		p.run(chromedp.MouseClickXY(20+eval[float64](p, "braid.parts.timeline.host.getBoundingClientRect().x"),
			5+where(other).Y+eval[float64](p, "braid.parts.timeline.host.getBoundingClientRect().y")))
		p.settled()
	}
	pins := func() string { return eval[string](p, "braid.pins.value.join()") }
	clickName()
	want := eval[string](p, fmt.Sprintf("[%d, %d].map((lane) => braid.model.value.laneKey(lane)).join()", lane, other))
	if got := pins(); got != want {
		t.Errorf("pinned are %s, want %s", got, want)
	}
	p.until("new URLSearchParams(location.hash.slice(1)).getAll('pin').length === 2")
	p.run(chromedp.Reload())
	p.ready()
	if got := pins(); got != want {
		t.Errorf("after a reload pinned are %s, want %s", got, want)
	}
	clickName()
	// And by the button of the inspector, which tells its state.
	if on := eval[string](p, "document.querySelector('.side [aria-pressed]').getAttribute('aria-pressed')"); on != "true" {
		t.Errorf("the button says %s", on)
	}
	eval[bool](p, "(document.querySelector('.side [aria-pressed]').click(), true)")
	p.settled()
	if got := pins(); got != "" {
		t.Errorf("pinned are still %s", got)
	}
}

// What an attempt wrote can be had as a file, and the page says how much of it there is.
func TestOutput(t *testing.T) {
	server, url := serve(t, Make(mixed))
	const words = "one\ntwo ü\n"
	server.SetDetails(7, map[string]any{"stdout": words, "stdout_bytes": 5 << 20, "stderr": "all\n", "stderr_bytes": 4})
	p := open(t, laptop, url)
	p.ready()
	eval[bool](p, "(braid.select(7), true)")
	p.until("document.querySelectorAll('.side .text pre').length >= 2")
	text := eval[string](p, "[...document.querySelectorAll('.side h3')].map((h) => h.innerText.replace(/\\s+/g, ' ')).join('|')")
	for _, want := range []string{"stderr copy save", "stdout the last 11 B of 5 MiB copy save"} {
		if !strings.Contains(text, want) {
			t.Errorf("the inspector has the titles %q, want %q among them", text, want)
		}
	}
	dir, yes := t.TempDir(), true
	saved := make(chan string, 1)
	err := chromedp.Listen(p.ctx, func(event any) {
		if e, ok := event.(*downloads.EventDownloadProgress); ok && e.State == downloads.DownloadProgressStateCompleted {
			saved <- e.GUID
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	call(p, downloads.SetDownloadBehavior, downloads.SetDownloadBehaviorParams{
		Behavior: downloads.SetDownloadBehaviorBehaviorAllowAndName, DownloadPath: dir, EventsEnabled: &yes,
	})
	eval[bool](p, "([...document.querySelectorAll('.side h3')].find((h) => h.innerText.startsWith('stdout')).lastChild.click(), true)")
	select {
	case name := <-saved:
		if b, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(b) != words {
			t.Errorf("the file holds %q, want %q: %v", b, words, err)
		}
	case <-p.ctx.Done():
		t.Error("no file was saved")
	}
}
