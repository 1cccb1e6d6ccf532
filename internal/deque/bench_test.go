package deque

import (
	"sync"
	"testing"
)

// The benchmarks do the same with a deque, with a slice under a mutex, and, where that
// can do it, with a buffered channel.

func BenchmarkPushPop(b *testing.B) {
	v := new(int)
	for _, depth := range []int{0, 1, 20} {
		name := map[int]string{0: "empty", 1: "one", 20: "twenty"}[depth]
		b.Run(name+"/deque", func(b *testing.B) {
			var d Deque[int]
			for range depth {
				d.Push(v)
			}
			for b.Loop() {
				d.Push(v)
				d.Pop()
			}
		})
		b.Run(name+"/mutex", func(b *testing.B) {
			var d locked
			for range depth {
				d.Push(v)
			}
			for b.Loop() {
				d.Push(v)
				d.Pop()
			}
		})
		b.Run(name+"/channel", func(b *testing.B) {
			c := make(chan *int, 32)
			for range depth {
				c <- v
			}
			for b.Loop() {
				c <- v
				<-c
			}
		})
	}
}

// BenchmarkSteal takes everything out of a full deque, and fills it again.
func BenchmarkSteal(b *testing.B) {
	const n = 1000
	v := new(int)
	b.Run("deque", func(b *testing.B) {
		var d Deque[int]
		for b.Loop() {
			for range n {
				d.Push(v)
			}
			for range n {
				d.Steal()
			}
		}
	})
	b.Run("mutex", func(b *testing.B) {
		var d locked
		for b.Loop() {
			for range n {
				d.Push(v)
			}
			for range n {
				d.Steal()
			}
		}
	})
	b.Run("channel", func(b *testing.B) {
		c := make(chan *int, n)
		for b.Loop() {
			for range n {
				c <- v
			}
			for range n {
				<-c
			}
		}
	})
}

// locked is a deque for everybody to understand: the twin of the tests.
type locked struct {
	mu sync.Mutex
	vs []*int
}

func (d *locked) Push(v *int) {
	d.mu.Lock()
	d.vs = append(d.vs, v)
	d.mu.Unlock()
}

func (d *locked) Pop() (v *int) {
	d.mu.Lock()
	if n := len(d.vs); n > 0 {
		v = d.vs[n-1]
		d.vs = d.vs[:n-1]
	}
	d.mu.Unlock()
	return v
}

func (d *locked) Steal() (v *int) {
	d.mu.Lock()
	if len(d.vs) > 0 {
		v = d.vs[0]
		d.vs = d.vs[1:]
	}
	d.mu.Unlock()
	return v
}
