package webtest

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

var (
	shots = flag.String("shots", "", "write screenshots to this folder; “temp” makes one")
	dist  = http.Dir("../web/dist")
)

// patience is how long a step in the browser may take before the test has failed. It
// is no measure of speed: it ends what would never end.
const patience = 90 * time.Second

// A browser is one for all tests; each test has pages of its own in it.
var browser struct {
	once sync.Once
	ctx  context.Context
	stop context.CancelFunc
	err  error
}

func TestMain(m *testing.M) {
	flag.Parse()
	if *shots == "temp" {
		dir, err := os.MkdirTemp("", "braid-page-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		*shots = dir
		fmt.Println("screenshots:", dir)
	}
	status := m.Run()
	if browser.stop != nil {
		browser.stop()
	}
	os.Exit(status)
}

func findBrowser() (string, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "headless-shell"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("there is no chromium here; on Debian: apt-get install chromium")
}

// start starts the browser, once. Without one the test is skipped, and under CI=true it fails.
func start(t *testing.T) context.Context {
	t.Helper()
	browser.once.Do(func() {
		path, err := findBrowser()
		if err != nil {
			browser.err = err
			return
		}
		options := append(chromedp.DefaultExecAllocatorOptions[:],
			chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.NoFirstRun, chromedp.DisableGPU,
			chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
			chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
			chromedp.Flag("hide-scrollbars", true),
		)
		allocator, stopAllocator := chromedp.NewExecAllocator(context.Background(), options...)
		ctx, stop := chromedp.NewContext(allocator)
		browser.ctx = ctx
		browser.stop = func() {
			stop()
			stopAllocator()
		}
		browser.err = chromedp.Do(ctx)
	})
	if browser.err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(browser.err)
		}
		t.Skip("NOT TESTED: ", browser.err)
	}
	return browser.ctx
}

// A tab is a page in the browser, and what it has complained about.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu         sync.Mutex
	complaints []string
	forgive    []string // complaints that hold one of these are meant
}

// screen says how a tab looks at the page.
type screen struct {
	width, height int64
	dark          bool
	mobile        bool
	features      []*emulation.MediaFeature
}

// open opens url in a new tab.
func open(t *testing.T, s screen, url string) *tab {
	t.Helper()
	tabCtx, stop := chromedp.NewContext(start(t))
	p := &tab{t: t}
	err := chromedp.Do(tabCtx) // opens the tab, which lives as long as this context
	ctx, stopWaiting := context.WithTimeout(tabCtx, patience)
	p.ctx = ctx
	t.Cleanup(func() {
		stopWaiting()
		stop()
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, c := range p.complaints {
			t.Errorf("the page complains: %s", c)
		}
	})
	if err == nil {
		err = chromedp.Listen(tabCtx, p.listen)
	}
	if err != nil {
		t.Fatal(err)
	}
	scheme := "light"
	if s.dark {
		scheme = "dark"
	}
	features := append([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}, s.features...)
	call(p, log.Enable, cdp.Empty{})
	call(p, runtime.Enable, cdp.Empty{})
	call(p, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: s.width, Height: s.height, DeviceScaleFactor: 1, Mobile: s.mobile,
	})
	call(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: features})
	p.run(chromedp.Navigate(url))
	return p
}

// call runs a command of the browser's protocol.
func call[P, R any](p *tab, command cdp.Command[P, R], params P) R {
	p.t.Helper()
	r, err := chromedp.Call(p.ctx, command, params)
	if err != nil {
		p.t.Fatalf("in the browser: %v", err)
	}
	return r
}

// listen notes what a page without faults does not say.
func (p *tab) listen(event any) {
	complain := func(format string, args ...any) {
		text := fmt.Sprintf(format, args...)
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, f := range p.forgive {
			if strings.Contains(text, f) {
				return
			}
		}
		p.complaints = append(p.complaints, text)
	}
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		complain("exception: %s", describe(e.ExceptionDetails))
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning || e.Type == runtime.ConsoleAPICalledTypeAssert {
			var words []string
			for _, a := range e.Args {
				words = append(words, string(a.Value)+a.Description)
			}
			complain("console: %s", strings.Join(words, " "))
		}
	case *log.EventEntryAdded:
		// Violations of the content security policy are entries too.
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			complain("%s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL)
		}
	}
}

func describe(e *runtime.ExceptionDetails) string {
	if e.Exception != nil {
		return e.Text + " " + e.Exception.Description
	}
	return e.Text
}

// forgiving lets complaints pass that hold text.
func (p *tab) forgiving(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forgive = append(p.forgive, text)
}

func (p *tab) run(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, actions...); err != nil {
		p.t.Fatalf("in the browser: %v", err)
	}
}

// eval returns the value of an expression in the page, awaited if it is a promise.
func eval[T any](p *tab, expression string) T {
	p.t.Helper()
	v, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// until waits until an expression in the page is true.
func (p *tab) until(expression string) {
	p.t.Helper()
	_, err := chromedp.Run(p.ctx, chromedp.Poll[chromedp.Void](expression, chromedp.WithPollingTimeout(patience/3), chromedp.WithPollingInterval(20*time.Millisecond)))
	if err != nil {
		p.t.Fatalf("waiting for %s: %v\n%s", expression, err, eval[string](p, "document.body.innerText.slice(0, 800)"))
	}
}

// ready waits until the timeline is drawn.
func (p *tab) ready() {
	p.t.Helper()
	p.until("window.braid && braid.parts.timeline && braid.parts.timeline.frames > 0 && braid.model.value !== null")
}

// settled waits until what was asked for is on the screen.
func (p *tab) settled() {
	p.t.Helper()
	eval[bool](p, "new Promise(r => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => r(true), 0))))")
}

// press presses keys one after the other.
func (p *tab) press(keys ...string) {
	p.t.Helper()
	for _, k := range keys {
		p.run(chromedp.KeyEvent(k))
	}
	p.settled()
}

// ctrl presses a key together with Ctrl.
func (p *tab) ctrl(key string) {
	p.t.Helper()
	p.run(chromedp.KeyEvent(key, chromedp.KeyModifiers(chromedp.ModifierCtrl)))
	p.settled()
}

// shot writes a screenshot, if they are wanted.
func (p *tab) shot(name string) {
	p.t.Helper()
	if *shots == "" {
		return
	}
	p.settled()
	png, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(*shots, name+".png"), png, 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// serve serves a run; the address is good until the test ends.
func serve(t *testing.T, run *Run) (*Server, string) {
	t.Helper()
	s := NewServer(dist, run)
	h := httptest.NewServer(s)
	t.Cleanup(func() {
		h.CloseClientConnections()
		h.Close()
	})
	return s, h.URL + "/"
}

var (
	laptop = screen{width: 1280, height: 720}
	desk   = screen{width: 1920, height: 1080}
	phone  = screen{width: 390, height: 844, mobile: true}
	night  = screen{width: 1280, height: 720, dark: true}
	forced = screen{width: 1280, height: 720, features: []*emulation.MediaFeature{
		{Name: "forced-colors", Value: "active"}, {Name: "prefers-reduced-motion", Value: "reduce"}, {Name: "prefers-contrast", Value: "more"},
	}}
	escape = kb.Escape
)
