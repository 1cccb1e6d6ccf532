package waitq

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// values returns what the list holds, from front to back, and checks the links
// in both directions.
func values[T any](t interface {
	Helper()
	Fatalf(string, ...any)
}, l *List[T]) []T {
	t.Helper()
	var forth []*Node[T]
	for n := l.head; n != nil; n = n.next {
		if n.list != l {
			t.Fatalf("node %v is linked but does not know its list", n.Value)
		}
		forth = append(forth, n)
	}
	var back []*Node[T]
	for n := l.tail; n != nil; n = n.prev {
		back = append(back, n)
	}
	slices.Reverse(back)
	if !slices.Equal(forth, back) {
		t.Fatalf("the links forth give %d nodes, those back %d others", len(forth), len(back))
	}
	if l.Len() != len(forth) {
		t.Fatalf("Len() = %d, want %d", l.Len(), len(forth))
	}
	vs := make([]T, len(forth))
	for i, n := range forth {
		vs[i] = n.Value
	}
	return vs
}

func TestZeroList(t *testing.T) {
	var l List[int]
	if l.Len() != 0 || l.Front() != nil || l.Pop() != nil {
		t.Errorf("the zero list is not empty: Len %d, Front %v", l.Len(), l.Front())
	}
	if l.Remove(&Node[int]{}) {
		t.Error("Remove of a node in no list returned true")
	}
	if l.Len() != 0 {
		t.Errorf("Len() = %d after Remove of a node in no list", l.Len())
	}
}

func TestFirstInFirstOut(t *testing.T) {
	var l List[int]
	nodes := make([]Node[int], 5)
	for i := range nodes {
		nodes[i].Value = i
		l.Push(&nodes[i])
	}
	for i := range nodes {
		if f := l.Front(); f != &nodes[i] {
			t.Fatalf("Front() = %v, want node %d", f, i)
		}
		if n := l.Pop(); n != &nodes[i] {
			t.Fatalf("Pop() = %v, want node %d", n, i)
		}
	}
	if l.Len() != 0 || l.Pop() != nil {
		t.Error("the list is not empty after all was popped")
	}
}

func TestRemove(t *testing.T) {
	for _, tc := range []struct {
		name   string
		remove []int
		want   []int
	}{
		{"front", []int{0}, []int{1, 2, 3}},
		{"middle", []int{1}, []int{0, 2, 3}},
		{"back", []int{3}, []int{0, 1, 2}},
		{"neighbours", []int{1, 2}, []int{0, 3}},
		{"all", []int{2, 0, 3, 1}, []int{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var l List[int]
			nodes := make([]Node[int], 4)
			for i := range nodes {
				nodes[i].Value = i
				l.Push(&nodes[i])
			}
			for _, i := range tc.remove {
				if !l.Remove(&nodes[i]) {
					t.Errorf("Remove(%d) = false, want true", i)
				}
				if l.Remove(&nodes[i]) {
					t.Errorf("the second Remove(%d) = true, want false", i)
				}
			}
			if got := values(t, &l); !slices.Equal(got, tc.want) {
				t.Errorf("the list holds %v, want %v", got, tc.want)
			}
			// What was removed can come back, at the end.
			back := tc.remove[0]
			l.Push(&nodes[back])
			if got, want := values(t, &l), append(slices.Clone(tc.want), back); !slices.Equal(got, want) {
				t.Errorf("after Push the list holds %v, want %v", got, want)
			}
		})
	}
}

// Who is pushed to the front is the next one, of a list of any length.
func TestPushFront(t *testing.T) {
	var l List[int]
	nodes := make([]Node[int], 5)
	for i := range nodes {
		nodes[i].Value = i
	}
	l.PushFront(&nodes[0])
	l.PushFront(&nodes[1])
	l.Push(&nodes[2])
	l.PushFront(&nodes[3])
	if got, want := values(t, &l), []int{3, 1, 0, 2}; !slices.Equal(got, want) {
		t.Errorf("the list holds %v, want %v", got, want)
	}
	if !l.Remove(&nodes[1]) || l.Pop() != &nodes[3] {
		t.Error("what was pushed to the front cannot be taken out")
	}
	l.PushFront(&nodes[4])
	if got, want := values(t, &l), []int{4, 0, 2}; !slices.Equal(got, want) {
		t.Errorf("the list holds %v, want %v", got, want)
	}
}

func TestPushFrontTwicePanics(t *testing.T) {
	var a, b List[int]
	n, m := Node[int]{Value: 1}, Node[int]{Value: 2}
	a.Push(&n)
	b.Push(&m)
	defer func() {
		if recover() == nil {
			t.Error("PushFront of a node that is in a list did not panic")
		}
		if got := values(t, &a); !slices.Equal(got, []int{1}) {
			t.Errorf("its list holds %v, want [1]", got)
		}
		if got := values(t, &b); !slices.Equal(got, []int{2}) {
			t.Errorf("the other list holds %v, want [2]", got)
		}
	}()
	b.PushFront(&n)
}

func TestRemoveFromAnotherList(t *testing.T) {
	var a, b List[int]
	n := Node[int]{Value: 1}
	a.Push(&n)
	if b.Remove(&n) {
		t.Error("a list removed a node of another list")
	}
	if a.Len() != 1 || a.Front() != &n {
		t.Error("the node is no longer in its own list")
	}
}

func TestPushTwicePanics(t *testing.T) {
	for _, tc := range []struct {
		name string
		same bool
	}{{"the same list", true}, {"another list", false}} {
		t.Run(tc.name, func(t *testing.T) {
			var a, b List[int]
			n := Node[int]{Value: 1}
			a.Push(&n)
			defer func() {
				if recover() == nil {
					t.Error("Push of a node that is in a list did not panic")
				}
				if a.Len() != 1 || b.Len() != 0 {
					t.Errorf("the lists hold %d and %d nodes, want 1 and 0", a.Len(), b.Len())
				}
			}()
			if tc.same {
				a.Push(&n)
			} else {
				b.Push(&n)
			}
		})
	}
}

func TestNoAllocation(t *testing.T) {
	var l List[int]
	var a, b Node[int]
	if n := testing.AllocsPerRun(100, func() {
		l.Push(&a)
		l.Push(&b)
		l.Remove(&a)
		l.Pop()
	}); n != 0 {
		t.Errorf("Push, Remove and Pop allocate %v times, want 0", n)
	}
}

// TestModel holds two lists that share their nodes against two slices.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes := make([]Node[int], 6)
		for i := range nodes {
			nodes[i].Value = i
		}
		lists := make([]List[int], 2)
		model := make([][]int, 2)
		anyList := rapid.IntRange(0, len(lists)-1)
		anyNode := rapid.IntRange(0, len(nodes)-1)
		home := func(i int) int {
			return slices.IndexFunc(model, func(m []int) bool { return slices.Contains(m, i) })
		}
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				l, i := anyList.Draw(t, "list"), anyNode.Draw(t, "node")
				if home(i) >= 0 {
					t.Skip("the node is in a list")
				}
				lists[l].Push(&nodes[i])
				model[l] = append(model[l], i)
			},
			"push front": func(t *rapid.T) {
				l, i := anyList.Draw(t, "list"), anyNode.Draw(t, "node")
				if home(i) >= 0 {
					t.Skip("the node is in a list")
				}
				lists[l].PushFront(&nodes[i])
				model[l] = append([]int{i}, model[l]...)
			},
			"pop": func(t *rapid.T) {
				l := anyList.Draw(t, "list")
				n := lists[l].Pop()
				if len(model[l]) == 0 {
					if n != nil {
						t.Fatalf("Pop of an empty list returned node %d", n.Value)
					}
					return
				}
				if n != &nodes[model[l][0]] {
					t.Fatalf("Pop returned %v, want node %d", n, model[l][0])
				}
				model[l] = model[l][1:]
			},
			"remove": func(t *rapid.T) {
				l, i := anyList.Draw(t, "list"), anyNode.Draw(t, "node")
				want := home(i) == l
				if got := lists[l].Remove(&nodes[i]); got != want {
					t.Fatalf("Remove(%d) = %v, want %v", i, got, want)
				}
				if want {
					at := slices.Index(model[l], i)
					model[l] = slices.Delete(slices.Clone(model[l]), at, at+1)
				}
			},
			"": func(t *rapid.T) {
				for l := range lists {
					if got := values(t, &lists[l]); !slices.Equal(got, model[l]) {
						t.Fatalf("list %d holds %v, want %v", l, got, model[l])
					}
				}
			},
		})
	})
}
