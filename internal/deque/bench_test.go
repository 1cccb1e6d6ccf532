package deque

import "testing"

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
