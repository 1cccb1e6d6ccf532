package record

import (
	"crypto/rand"
	"encoding/binary"
	"strings"
	"sync"
	"time"
)

// crockford are the digits of IDs: without I, L, O and U, which people misread.
const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// idLength is the number of digits of an ID.
const idLength = 26

var lastID struct {
	sync.Mutex
	millis uint64
	random [10]byte
}

// NewID returns an ID for a run: a ULID, which is 48 bits of the time in milliseconds
// and 80 random bits, in 26 digits and letters. IDs of one process are in order.
func NewID() string { return newID(time.Now()) }

func newID(now time.Time) string {
	lastID.Lock()
	defer lastID.Unlock()
	millis := uint64(max(now.UnixMilli(), 0)) & (1<<48 - 1)
	if millis <= lastID.millis {
		// Later than the one before, though no time has gone by, or the clock was set
		// back.
		millis = lastID.millis
		i := len(lastID.random) - 1
		for ; i >= 0; i-- {
			if lastID.random[i]++; lastID.random[i] != 0 {
				break
			}
		}
		if i < 0 {
			millis++
		}
	} else {
		_, _ = rand.Read(lastID.random[:]) // it never fails
	}
	lastID.millis = millis
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], millis<<16)
	copy(b[6:], lastID.random[:])
	return encodeID(b)
}

// encodeID writes 128 bits with five to a digit, and the first digit with the three that
// are over.
func encodeID(b [16]byte) string {
	hi, lo := binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
	var text [idLength]byte
	for i := idLength - 1; i >= 0; i-- {
		text[i] = crockford[lo&31]
		lo = lo>>5 | hi<<59
		hi >>= 5
	}
	return string(text[:])
}

// isID reports whether s can be the ID of a run.
func isID(s string) bool {
	if len(s) != idLength || s[0] > '7' {
		return false
	}
	for i := range len(s) {
		if strings.IndexByte(crockford, s[i]) < 0 {
			return false
		}
	}
	return true
}

// idTime returns when an ID was made, to the millisecond.
func idTime(id string) time.Time {
	var millis int64
	for i := range 10 {
		millis = millis<<5 | int64(strings.IndexByte(crockford, id[i]))
	}
	return time.UnixMilli(millis)
}
