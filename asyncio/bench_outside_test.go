//go:build unix

package asyncio_test

import (
	"context"
	"testing"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/asyncio"
)

func BenchmarkToThread(b *testing.B) {
	within(b, func(ctx context.Context) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = asyncio.ToThread(ctx, func(context.Context) (int, error) { return 1, nil })
		}
	})
}

func BenchmarkGoAwaitGoroutine(b *testing.B) {
	fn := func(context.Context) (int, error) { return 1, nil }
	b.Run("from a loop", func(b *testing.B) {
		within(b, func(ctx context.Context) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = braid.Go(ctx, nil, fn).Await(ctx)
			}
		})
	})
	b.Run("from a goroutine", func(b *testing.B) {
		ctx := context.Background()
		b.ReportAllocs()
		for b.Loop() {
			_, _ = braid.Go(ctx, nil, fn).Await(ctx)
		}
	})
}

// BenchmarkPipe sends 4 KiB there and back.
func BenchmarkPipe(b *testing.B) {
	within(b, func(ctx context.Context) {
		p := shell(b, ctx, `exec cat`, asyncio.Command{})
		buf := make([]byte, 4<<10)
		b.SetBytes(int64(2 * len(buf)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := p.Stdin.Write(buf); err != nil {
				b.Fatal(err)
			}
			for n := 0; n < len(buf); {
				m, err := p.Stdout.Read(buf[n:])
				if err != nil {
					b.Fatal(err)
				}
				n += m
			}
		}
		p.Stdin.Close()
		_ = p.Wait(ctx)
	})
}

func BenchmarkStartWait(b *testing.B) {
	within(b, func(ctx context.Context) {
		c := asyncio.Command{Args: []string{"true"}, Stdin: asyncio.Null, Stdout: asyncio.Null, Stderr: asyncio.Null}
		for b.Loop() {
			p, err := asyncio.Start(ctx, c)
			if err != nil {
				b.Fatal(err)
			}
			_ = p.Wait(ctx)
		}
	})
}
