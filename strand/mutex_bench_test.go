package strand_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/go-braid/braid/strand"
)

// BenchmarkUncontended compares a Lock and an Unlock of a free Mutex with those of
// sync.Mutex: with a context that has nothing, one of a strand with an identity,
// and one that is some levels below that.
func BenchmarkUncontended(b *testing.B) {
	n := 0
	b.Run("sync", func(b *testing.B) {
		var m sync.Mutex
		for b.Loop() {
			m.Lock()
			n++
			m.Unlock()
		}
	})
	entered, self := strand.Enter(bg)
	defer self.End()
	deep, cancel := context.WithTimeout(context.WithValue(entered, &bg, 1), time.Hour)
	defer cancel()
	deep, cancel = context.WithCancel(deep)
	defer cancel()
	for _, c := range []struct {
		name string
		ctx  context.Context
	}{{"background", bg}, {"identity", entered}, {"identity, 3 levels up", deep}} {
		b.Run(c.name, func(b *testing.B) {
			var m strand.Mutex
			for b.Loop() {
				_ = m.Lock(c.ctx)
				n++
				m.Unlock()
			}
		})
	}
}

// BenchmarkContended has two strands that always want the same lock.
func BenchmarkContended(b *testing.B) {
	for _, identity := range []bool{false, true} {
		b.Run(fmt.Sprintf("identity=%v", identity), func(b *testing.B) {
			var m strand.Mutex
			var strands sync.WaitGroup
			for range 2 {
				strands.Go(func() {
					ctx := bg
					if identity {
						var self *strand.Strand
						ctx, self = strand.Enter(bg)
						defer self.End()
					}
					for range b.N / 2 {
						_ = m.Lock(ctx)
						_ = strand.Yield(ctx) // the other one comes meanwhile
						m.Unlock()
					}
				})
			}
			strands.Wait()
		})
	}
}
