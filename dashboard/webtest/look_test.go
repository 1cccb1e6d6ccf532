package webtest

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
)

// A run with a bit of everything.
var mixed = Shape{Spans: 3000, Lanes: 12, Mean: 40_000, Tasks: 3, Failing: 0.004, Retried: 0.02, Workers: true}

// TestLook opens the page as people will see it. The test is that nothing complains; with
// -shots it writes what there is to see.
func TestLook(t *testing.T) {
	screens := map[string]screen{"laptop": laptop, "desk": desk, "night": night, "phone": phone, "forced": forced}
	for name, s := range screens {
		t.Run(name, func(t *testing.T) {
			_, url := serve(t, Make(mixed))
			p := open(t, s, url)
			p.ready()
			p.shot(name)
			p.press("]", "f")
			p.shot(name + "-failure")
			p.press(escape, "0")
			for k, tab := range []string{"failures", "slowest", "all", "histogram", "advice", "log"} {
				p.press(fmt.Sprint(k + 1))
				p.run(chromedp.WaitVisible(".panel-" + tab))
				p.shot(fmt.Sprintf("%s-%s", name, tab))
			}
			p.press("?")
			p.run(chromedp.WaitVisible("dialog[open]"))
			p.shot(name + "-help")
		})
	}
}
