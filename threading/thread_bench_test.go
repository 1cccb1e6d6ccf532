package threading_test

import (
	"context"
	"testing"
	"time"

	"github.com/go-braid/braid/threading"
)

// What it costs to start a thread and to join it. A goroutine with a channel is beside
// it in BenchmarkGoroutine.
func BenchmarkThread(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if err := threading.Go(bg, "bench", nothing).Join(bg); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGoroutine(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		done := make(chan error)
		go func() { done <- nothing(bg) }()
		<-done
	}
}

// What it costs to start a timer and to cancel it.
func BenchmarkTimer(b *testing.B) {
	b.ReportAllocs()
	ctx, cancel := context.WithCancel(bg)
	defer cancel()
	for b.Loop() {
		if !threading.AfterFunc(ctx, "bench", time.Hour, nothing).Cancel() {
			b.Fatal("too late")
		}
	}
}
