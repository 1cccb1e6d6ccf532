package record

import (
	"bytes"
	"io"
	"reflect"
	"strings"
	"testing"
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
	l.Hurry()
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
