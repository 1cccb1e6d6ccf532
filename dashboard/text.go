package dashboard

// texts holds many short texts in a few large blocks, up to a limit. A text is
// found again by its number; 0 is the text that is not there.
type texts struct {
	limit   int // bytes
	used    int
	omitted int // texts that found no room
	blocks  [][]byte
}

// A textRef is where a text is: block, offset and length, and whether the log had
// only the beginning of it.
type textRef struct {
	block  uint32 // from 1
	offset uint32
	size   uint32 // the highest bit says that the text was cut
}

const (
	textBlock = 1 << 18
	textCut   = 1 << 31
)

// add keeps s, unless there is no room.
func (t *texts) add(s string, cut bool) textRef {
	if t.used+len(s) > t.limit {
		t.omitted++
		return textRef{}
	}
	t.used += len(s)
	last := len(t.blocks) - 1
	if last < 0 || len(t.blocks[last])+len(s) > cap(t.blocks[last]) {
		t.blocks = append(t.blocks, make([]byte, 0, max(textBlock, len(s))))
		last++
	}
	ref := textRef{block: uint32(last + 1), offset: uint32(len(t.blocks[last])), size: uint32(len(s))}
	if cut {
		ref.size |= textCut
	}
	t.blocks[last] = append(t.blocks[last], s...)
	return ref
}

// get returns the text, whether it was cut, and whether it is there.
func (t *texts) get(r textRef) (s string, cut, ok bool) {
	if r.block == 0 {
		return "", false, false
	}
	size := r.size &^ textCut
	return string(t.blocks[r.block-1][r.offset : r.offset+size]), r.size&textCut != 0, true
}
