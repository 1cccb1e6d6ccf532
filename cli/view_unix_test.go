//go:build unix

package cli

import (
	"bufio"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A browser looks at the page of a braid.
type browser struct {
	t      *testing.T
	client http.Client
	page   *url.URL
}

// open opens a page by the URL in a line.
func open(t *testing.T, line string) *browser {
	t.Helper()
	u, err := url.Parse(regexp.MustCompile(`http://127\.0\.0\.1:\S+`).FindString(line))
	if err != nil || u.Host == "" {
		t.Fatalf("there is no URL in %q: %v", line, err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &browser{t: t, client: http.Client{Jar: jar, Transport: &http.Transport{}}, page: u}
	t.Cleanup(b.client.CloseIdleConnections)
	return b
}

// get returns what is at a path, with the status that it must have. The first one brings
// the token.
func (b *browser) get(path string, status int) string {
	b.t.Helper()
	u := b.page
	if path != "" {
		u = b.page.ResolveReference(&url.URL{Path: path})
	}
	return b.do(http.MethodGet, u, status)
}

func (b *browser) do(method string, u *url.URL, status int) string {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), method, u.String(), nil)
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("X-Braid", "1")
	req.Header.Set("Origin", "http://"+u.Host)
	resp, err := b.client.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != status {
		b.t.Fatalf("%s %s: %s, %v; want %d\n%.200s", method, u.Path, resp.Status, err, status, text)
	}
	return string(text)
}

func (b *browser) post(path string) {
	b.t.Helper()
	b.do(http.MethodPost, b.page.ResolveReference(&url.URL{Path: path}), http.StatusNoContent)
}

// The page of a recorded run is served until an interrupt.
func TestViewServes(t *testing.T) {
	store := t.TempDir()
	process(t, nil, "run", "--record", store, "double", "1", "2").want(t, exitOK)
	cmd := exec.CommandContext(t.Context(), "braid", "view", "--record", store, "--no-open")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	b := open(t, line)
	b.get("/api/snapshot", http.StatusForbidden)
	if page := b.get("", http.StatusOK); !strings.Contains(page, "<html") {
		t.Errorf("the page is %.200q", page)
	}
	if s := b.get("/api/snapshot", http.StatusOK); !strings.Contains(s, `"state":"ended"`) || !strings.Contains(s, `"ok":2`) {
		t.Errorf("the snapshot is %.500q", s)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// A run shows its page while it goes on, and lets it pause, go on, and stop the run. Then
// the page stays.
func TestRunView(t *testing.T) {
	dir := t.TempDir()
	names := []string{"a", "b", "c", "d"}
	for i := range names {
		names[i] = filepath.Join(dir, names[i])
	}
	release := func(name string) {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// Of what is launched, one runs and one waits in the queue.
	l := start(t, append([]string{"run", "--view", "--no-open", "--record", dir, "--progress", "none", "-j1", "gate"}, names...)...)
	b := open(t, l.hears("http://"))
	l.hears("started " + names[0])
	b.get("", http.StatusOK)
	if s := b.get("/api/snapshot", http.StatusOK); !strings.Contains(s, `"control":true`) {
		t.Errorf("the snapshot is %.500q", s)
	}
	// Within the next sample, it is known how many there are.
	late := time.Now().Add(20 * time.Second)
	for s := ""; !strings.Contains(s, `"inputs":{"total":4,`); s = b.get("/api/snapshot", http.StatusOK) {
		if time.Now().After(late) {
			t.Fatalf("the snapshot is %.500q", s)
		}
	}
	b.post("/api/pause")
	release(names[0])
	release(names[1])
	l.hears("started " + names[1])
	b.post("/api/resume")
	l.hears("started " + names[2])
	b.post("/api/stop")
	release(names[2])
	release(names[3])
	l.hears("the page stays until Ctrl-C: http://")
	if s := b.get("/api/snapshot", http.StatusOK); !strings.Contains(s, `"verdict":"stopped"`) {
		t.Errorf("the snapshot is %.500q", s)
	}
	b.client.CloseIdleConnections()
	l.signal(syscall.SIGINT)
	o := l.ends(exitInterrupted)
	if strings.Contains(o.err, "started "+names[3]) {
		t.Errorf("an input was started after the stop:\n%s", o.err)
	}
}

// Without a record there is a page all the same, and nothing is left of it.
func TestRunViewWithoutRecord(t *testing.T) {
	temp := t.TempDir()
	l := &live{t: t, cmd: exec.CommandContext(t.Context(), "braid", "run", "--view", "--no-open", "--record", "off", "double", "1")}
	l.cmd.Env = append(os.Environ(), "TMPDIR="+temp)
	l.cmd.Stdout = &l.out
	talk, err := l.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	l.talk = bufio.NewReader(talk)
	if err := l.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	l.hears("the page stays until Ctrl-C")
	l.signal(os.Interrupt)
	l.ends(exitOK)
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left are %v, %v", left, err)
	}
}
