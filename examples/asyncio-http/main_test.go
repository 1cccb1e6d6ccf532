package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// fasthttp has a clock, which never stops.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"))
}

// start starts the server for a test. It returns its URL and a function that ends
// it, waits for that, and returns its error.
func start(t *testing.T, grace time.Duration) (url string, end func() error) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	ready, ended := make(chan net.Addr, 1), make(chan error, 1)
	go func() { ended <- run(ctx, "127.0.0.1:0", grace, func(a net.Addr) { ready <- a }) }()
	end = sync.OnceValue(func() error {
		stop()
		return <-ended
	})
	select {
	case a := <-ready:
		t.Cleanup(func() {
			if err := end(); err != nil && grace > 0 {
				t.Errorf("the server ended with: %v", err)
			}
		})
		return "http://" + a.String(), end
	case err := <-ended:
		t.Fatal(err)
		return "", nil
	}
}

// patient is longer than any request takes on a slow machine.
const patient = time.Minute

// newClient returns a client, and the number of connections that it has made.
func newClient(t *testing.T) (*http.Client, *atomic.Int64) {
	var made atomic.Int64
	tr := &http.Transport{
		MaxIdleConnsPerHost: 100,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			made.Add(1)
			return new(net.Dialer).DialContext(ctx, network, addr)
		},
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}, &made
}

// get returns what the server answers.
func get(c *http.Client, url string) (status int, body string, err error) {
	resp, err := c.Get(url)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

func TestKeepAlive(t *testing.T) {
	url, _ := start(t, patient)
	c, made := newClient(t)
	for i := range 20 {
		if status, body, err := get(c, url+"/"); err != nil || status != 200 || body != "hello\n" {
			t.Fatalf("request %d: %d %q, %v", i, status, body, err)
		}
	}
	if n := made.Load(); n != 1 {
		t.Errorf("%d connections for 20 requests in turn, want 1", n)
	}
}

// All connections share one counter without a lock, and none is missed: the
// handlers run one at a time.
func TestManyConnections(t *testing.T) {
	url, _ := start(t, patient)
	c, _ := newClient(t)
	const clients, each = 50, 20
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for range each {
				if status, body, err := get(c, url+"/"); err != nil || status != 200 || body != "hello\n" {
					t.Errorf("%d %q, %v", status, body, err)
				}
			}
		})
	}
	wg.Wait()
	if _, body, err := get(c, url+"/served"); err != nil || strings.TrimSpace(body) != strconv.Itoa(clients*each+1) {
		t.Errorf("it has served %q, %v; want %d", body, err, clients*each+1)
	}
}

// A request that waits, for longer than a test may take, does not hold up others.
// If it goes on when the grace is over, its connection is cut.
func TestWaitingRequest(t *testing.T) {
	url, end := start(t, -1)
	c, _ := newClient(t)
	waiting := make(chan string, 1)
	go func() {
		_, body, _ := get(c, url+"/sleep/1m")
		waiting <- body
	}()
	waitServed(t, c, url, 1)
	if status, body, err := get(c, url+"/sleep/1ms"); err != nil || status != 200 || body != "slept 1ms\n" {
		t.Errorf("%d %q, %v", status, body, err)
	}
	if err := end(); err == nil || !strings.Contains(err.Error(), "the server has stopped and cut") {
		t.Errorf("the server ended with %v, want that it has cut the connection", err)
	}
	if body := <-waiting; strings.Contains(body, "slept") {
		t.Errorf("the request that was cut got %q", body)
	}
}

// waitServed waits until the server has got n requests beside those that ask for
// that.
func waitServed(t *testing.T, c *http.Client, url string, n int) {
	t.Helper()
	for asked := 1; ; asked++ {
		_, body, err := get(c, url+"/served")
		if err != nil {
			t.Fatal(err)
		}
		if served, _ := strconv.Atoi(strings.TrimSpace(body)); served >= n+asked {
			return
		}
	}
}

func TestLargeBodies(t *testing.T) {
	url, _ := start(t, patient)
	c, _ := newClient(t)
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<16) // 1 MiB
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			resp, err := c.Post(url+"/echo", "application/octet-stream", bytes.NewReader(sent))
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			if got, err := io.ReadAll(resp.Body); err != nil || !bytes.Equal(got, sent) {
				t.Errorf("%d bytes came back, %v; want those that were sent", len(got), err)
			}
			const size = 4 << 20
			if _, body, err := get(c, fmt.Sprint(url, "/bytes/", size)); err != nil || len(body) != size {
				t.Errorf("%d bytes, %v; want %d", len(body), err, size)
			}
		})
	}
	wg.Wait()
}

func TestMistakes(t *testing.T) {
	url, _ := start(t, patient)
	c, _ := newClient(t)
	for _, path := range []string{"/bytes/-1", "/bytes/x", "/bytes/9999999999", "/sleep/x", "/sleep/1h"} {
		if status, body, err := get(c, url+path); err != nil || status != http.StatusBadRequest || !strings.HasPrefix(body, "give a ") {
			t.Errorf("%s: %d %q, %v", path, status, body, err)
		}
	}
	if status, body, err := get(c, url+"/nosuch"); err != nil || status != http.StatusNotFound || !strings.Contains(body, "/echo") {
		t.Errorf("%d %q, %v", status, body, err)
	}
	if err := run(t.Context(), "127.0.0.1:no such port", patient, nil); err == nil {
		t.Error("it listens where it cannot")
	}
}

// The request under way is answered, the client is told that the connection ends,
// and connections without a request are not waited for.
func TestShutdown(t *testing.T) {
	url, end := start(t, patient)
	idle, _ := newClient(t)
	if _, _, err := get(idle, url+"/"); err != nil {
		t.Fatal(err)
	}
	silent, err := net.Dial("tcp", strings.TrimPrefix(url, "http://")) // never asks
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	busy, _ := newClient(t)
	answered := make(chan error, 1)
	go func() {
		resp, err := busy.Get(url + "/sleep/300ms")
		if err == nil {
			defer resp.Body.Close()
			if body, _ := io.ReadAll(resp.Body); string(body) != "slept 300ms\n" || !resp.Close {
				err = fmt.Errorf("the answer is %q, and the connection stays: %t", body, !resp.Close)
			}
		}
		answered <- err
	}()
	waitServed(t, idle, url, 2)
	if err := end(); err != nil {
		t.Errorf("the server ended with: %v", err)
	}
	if err := <-answered; err != nil {
		t.Errorf("the request under way: %v", err)
	}
	if n, err := silent.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("the silent connection is open: %d bytes, %v", n, err)
	}
	if _, _, err := get(busy, url+"/"); err == nil {
		t.Error("it still listens")
	}
}

var (
	wrkRequests = regexp.MustCompile(`(\d+) requests in`)
	wrkErrors   = regexp.MustCompile(`Socket errors|Non-2xx`)
)

// TestWrk drives it with wrk, the load generator, by many connections at once.
func TestWrk(t *testing.T) {
	wrk, err := exec.LookPath("wrk")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("wrk is needed: %v", err)
		}
		t.Skipf("SKIPPED: wrk is needed: %v", err)
	}
	url, _ := start(t, patient)
	for _, path := range []string{"/", "/bytes/100000", "/sleep/1ms"} {
		out, err := exec.CommandContext(t.Context(), wrk, "-t1", "-c50", "-d1s", "--timeout", "30s", url+path).CombinedOutput()
		if err != nil {
			t.Fatalf("wrk: %v\n%s", err, out)
		}
		m := wrkRequests.FindSubmatch(out)
		if m == nil || string(m[1]) == "0" || wrkErrors.Match(out) {
			t.Errorf("%s:\n%s", path, out)
		}
		if testing.Verbose() {
			t.Logf("%s:\n%s", path, out)
		}
	}
}
