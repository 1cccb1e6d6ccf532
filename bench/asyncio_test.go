package main

import (
	"io"
	"net"
	"strings"
	"testing"
)

// Every case has a body for everyone, and every body belongs to a case.
func TestBodies(t *testing.T) {
	for who, theirs := range bodies {
		if len(theirs) != len(bodyCases) {
			t.Errorf("%s: %d bodies for %d cases", who, len(theirs), len(bodyCases))
		}
		for _, b := range bodyCases {
			t.Run(who+"/"+b.body, func(t *testing.T) {
				t.Parallel() // some sleep
				do := theirs[b.body]
				if do == nil {
					t.Fatal("there is none")
				}
				if _, err := do.time(3); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func TestTreeNoticesWhatIsMissing(t *testing.T) {
	tree := newTree(2)
	awake := func() error { return nil }
	for range 35 { // of 36
		if err := ioLeaf.do(tree, awake); err != nil {
			t.Fatal(err)
		}
	}
	if err := tree.check(ioLeaf); err == nil {
		t.Error("check is content with 35 leaves of 36")
	}
	if err := ioLeaf.do(tree, awake); err != nil {
		t.Fatal(err)
	}
	if err := tree.check(ioLeaf); err != nil {
		t.Error(err)
	}
	if err := tree.check(mixedLeaf); err == nil {
		t.Error("check takes leaves that slept for those that computed")
	}
}

func TestServers(t *testing.T) {
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			addr, err := start()
			if err != nil {
				t.Fatal(err)
			}
			l, err := dial(addr.String(), 3)
			if err != nil {
				t.Fatal(err)
			}
			defer l.close()
			for _, size := range []int{8, 1 << 10, 100 << 10} {
				latencies, err := l.exchange(5, size)
				if err != nil || len(latencies) != 15 {
					t.Errorf("%d bytes: %d replies, %v; want 15", size, len(latencies), err)
				}
			}
		})
	}
}

func TestLoadNoticesAWrongReply(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		buf := make([]byte, 16)
		for i := 0; ; i++ {
			if _, err := io.ReadFull(conn, buf); err != nil {
				return
			}
			if i == 2 {
				buf[15]++
			}
			if _, err := conn.Write(buf); err != nil {
				return
			}
		}
	}()
	l, err := dial(ln.Addr().String(), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	latencies, err := l.exchange(5, 16)
	if err == nil || !strings.Contains(err.Error(), "not what was sent") || len(latencies) != 2 {
		t.Errorf("%d replies, %v; want an error at the second", len(latencies), err)
	}
}
