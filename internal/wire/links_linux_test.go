package wire

import (
	"testing"

	"golang.org/x/sys/unix"
)

var linkKinds = []linkKind{{"pipe", pipes}, {"socket", sockets}, {"ring", rings}}

func sockets(t testing.TB, limit int64) (a, b Link) {
	c, d := socketPair(t)
	return closeBoth(t, NewStream(c, limit), NewStream(d, limit))
}

func socketPair(t testing.TB) (a, b *Socket) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var conns [2]*Socket
	for i, fd := range fds {
		if conns[i], err = NewSocket(fd); err != nil {
			t.Fatal(err)
		}
	}
	return conns[0], conns[1]
}

func rings(t testing.TB, limit int64) (a, b Link) {
	return ringPair(t, minRing*4, limit, 0)
}

// ringPair makes both ends of a ring whose indices begin at start.
func ringPair(t testing.TB, size int, limit int64, start uint64) (parent, child *Ring) {
	t.Helper()
	parent, files, err := NewRing(size, limit)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range []*half{&parent.in, &parent.out} {
		h.words.head.Store(start)
		h.words.tail.Store(start)
		h.own, h.other = start, start
	}
	if child, err = OpenRing(files, limit); err != nil {
		closeFiles(files)
		parent.Close()
		t.Fatal(err)
	}
	closeBoth(t, parent, child)
	return parent, child
}
