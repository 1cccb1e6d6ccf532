package strand_test

import (
	"testing"

	"github.com/go-braid/braid/strand"
)

// BenchmarkQueue puts an item and gets it back, without anybody who waits, with
// 16 other items in the queue.
func BenchmarkQueue(b *testing.B) {
	for _, kind := range queueKinds {
		b.Run(kind.name, func(b *testing.B) {
			q := kind.open(64)
			for i := range 16 {
				_ = q.TryPut(i)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if q.Put(bg, i&15) != nil {
					b.Fatal("Put failed")
				}
				if _, err := q.Get(bg); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkQueueHandOver passes each item to a goroutine that waits for it.
func BenchmarkQueueHandOver(b *testing.B) {
	there, back := strand.NewQueue[int](1), strand.NewQueue[int](1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for v := range there.All(bg) {
			_ = back.TryPut(v)
		}
	}()
	b.ReportAllocs()
	for b.Loop() {
		_ = there.Put(bg, 1)
		_, _ = back.Get(bg)
	}
	there.Shutdown()
	<-done
}
