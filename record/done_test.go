package record

import (
	"bytes"
	"errors"
	"io"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-braid/braid/engine"
)

func TestRanges(t *testing.T) {
	for _, c := range []struct {
		numbers []int
		want    [][2]int
	}{
		{nil, nil},
		{[]int{7}, [][2]int{{7, 7}}},
		{[]int{1, 2, 3}, [][2]int{{1, 3}}},
		{[]int{3, 1, 2, 9, 8, 5}, [][2]int{{1, 3}, {5, 5}, {8, 9}}},
		{[]int{4, 4, 5}, [][2]int{{4, 5}}},
		{[]int{0, 2}, [][2]int{{0, 0}, {2, 2}}},
	} {
		if got := ranges(c.numbers); !reflect.DeepEqual(got, c.want) {
			t.Errorf("ranges(%v) = %v, want %v", c.numbers, got, c.want)
		}
	}
}

func TestDone(t *testing.T) {
	var b bytes.Buffer
	l := NewLog(&b, Run{ID: "1", Delivers: true}, Config{Sample: -1})
	l.Done()
	l.Done(2, 1, 4)
	l.Done(3)
	if err := l.Close(End{}); err != nil {
		t.Fatal(err)
	}
	var got [][2]int
	delivers := false
	for r := NewReader(&b); ; {
		line, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch line := line.(type) {
		case *Run:
			delivers = line.Delivers
		case *Done:
			got = append(got, line.Inputs...)
		}
	}
	if want := [][2]int{{1, 2}, {4, 4}, {3, 3}}; !reflect.DeepEqual(got, want) || !delivers {
		t.Errorf("done are %v, delivers %v; want %v, true", got, delivers, want)
	}
}

// What was told to be done is in the file, behind the input, whatever else is written at the
// time.
func TestDoneIsWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run.ndjson")
	l, err := Create(path, Run{Delivers: true}, Config{Interval: time.Microsecond})
	if err != nil {
		t.Fatal(err)
	}
	heard := l.Listener(Engine{Name: "made"})
	var wg sync.WaitGroup
	const tellers, inputs = 4, 50
	for k := range tellers {
		wg.Go(func() {
			for i := k * inputs; i < (k+1)*inputs; i++ {
				e := engine.Event{At: time.Since(engine.Epoch()), Call: uint64(i), Index: i, Attempt: 1, Worker: k + 1}
				heard.Submitted(e)
				heard.Started(e)
				l.Input(i, "", "input")
				heard.Finished(e)
				l.Done(i)
				if known, done := inputsOf(t, path); !known[i] || !done[i] {
					t.Errorf("input %d: known %v, done %v; want both", i, known[i], done[i])
				}
			}
		})
	}
	wg.Wait()
	if err := l.Close(End{}); err != nil {
		t.Fatal(err)
	}
	if _, done := inputsOf(t, path); len(done) != tellers*inputs {
		t.Errorf("%d inputs are done, want %d", len(done), tellers*inputs)
	}
}

// inputsOf returns which inputs a log names, and which are done; those that are done before
// they are named it leaves out.
func inputsOf(t *testing.T, path string) (known, done map[int]bool) {
	known, done = make(map[int]bool), make(map[int]bool)
	r, err := Open(path)
	if err != nil {
		t.Error(err)
		return known, done
	}
	defer r.Close()
	for {
		line, err := r.Next()
		if err == io.EOF {
			return known, done
		}
		if err != nil {
			t.Error(err)
			return known, done
		}
		switch line := line.(type) {
		case *Input:
			known[line.Number] = true
		case *Done:
			for _, r := range line.Inputs {
				for i := r[0]; i <= r[1]; i++ {
					done[i] = known[i]
				}
			}
		}
	}
}

// A fullFile takes the first line and no more.
type fullFile struct{ lines int }

func (f *fullFile) Write(b []byte) (int, error) {
	if f.lines++; f.lines > 1 {
		return 0, errFull
	}
	return len(b), nil
}

var errFull = errors.New("full")

// A file that does not take it ends the recording as any line does, and nobody waits for it
// any more.
func TestDoneFails(t *testing.T) {
	told := make(chan error, 2)
	l := NewLog(&fullFile{}, Run{}, Config{OnError: func(err error) { told <- err }})
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	l.Done(1)
	if err := <-told; !errors.Is(err, errFull) {
		t.Errorf("OnError was told %v, want %v", err, errFull)
	}
	l.Done(2)
	if err := l.Close(End{}); !errors.Is(err, errFull) {
		t.Errorf("Close = %v, want %v", err, errFull)
	}
	l.Done(3)
	if len(told) > 0 {
		t.Errorf("OnError was told again: %v", <-told)
	}
}

func TestDoneSyntax(t *testing.T) {
	const first = `{"type":"run","schema":"braid.record/1"}` + "\n"
	for text, want := range map[string][][2]int{
		`[]`:                    nil,
		`null`:                  nil,
		` [ [1 , 2] , [3,3] ] `: {{1, 2}, {3, 3}},
	} {
		r := NewReader(strings.NewReader(first + `{"type":"done","i":` + text + "}\n"))
		_, _ = r.Next()
		line, err := r.Next()
		if d, ok := line.(*Done); err != nil || !ok || !reflect.DeepEqual(d.Inputs, want) {
			t.Errorf("%s is %v, %v; want %v", text, line, err, want)
		}
	}
	for _, text := range []string{`1`, `[1]`, `[[1]]`, `[[1,2]`, `[[1,2],]`, `[[2,1]]`, `[[1,2,3]]`, `[[1,"2"]]`, `{}`} {
		r := NewReader(strings.NewReader(first + `{"type":"done","i":` + text + "}\n"))
		_, _ = r.Next()
		if line, err := r.Next(); err == nil {
			t.Errorf("%s is %v; want an error", text, line)
		}
	}
}
