package otelspans_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/export/otelspans"
	"github.com/go-braid/braid/record"
	"github.com/go-braid/braid/threading"
)

// Each attempt at a task is a span, below that of the request that it works for.
func ExampleListener() {
	ctx := context.Background()
	spans := tracetest.NewInMemoryExporter() // in earnest, one that sends them
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	defer provider.Shutdown(ctx)

	pool := threading.NewPool(threading.Config{Workers: 2, Listener: otelspans.Listener(provider, otelspans.Config{})})
	defer pool.Close(ctx)

	ctx, request := provider.Tracer("shop").Start(ctx, "checkout")
	tries := 0
	_, err := braid.Go(ctx, pool, func(ctx context.Context) (int, error) {
		_, query := provider.Tracer("shop").Start(ctx, "query")
		defer query.End()
		if tries++; tries == 1 {
			return 0, errors.New("the database is busy")
		}
		return 42, nil
	}, braid.Name("charge"), braid.Retry(2), braid.Backoff(-1, 0)).Await(ctx)
	request.End()

	fmt.Println(err)
	for _, s := range spans.GetSpans() {
		fmt.Println(s.Name, s.Status.Code)
	}
	// Output:
	// <nil>
	// query Unset
	// charge Error
	// query Unset
	// charge Unset
	// checkout Unset
}

// The spans of a run that is over, with the times that it had.
func ExampleExport() {
	const run = `{"type":"run","schema":"braid.record/1","wall":"2026-11-27T18:20:00Z","name":"thumbnails"}
{"type":"span","t":1000,"end":43000,"c":1,"a":1,"task":"resize","state":"ok","last":true}
{"type":"end","t":50000,"verdict":"ok","ok":1,"total":1}
`
	ctx := context.Background()
	spans := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(spans))
	err := otelspans.Export(ctx, record.NewReader(strings.NewReader(run)), provider, otelspans.Config{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	for _, s := range spans.GetSpans() {
		fmt.Println(s.Name, s.StartTime.Format("15:04:05.000"), s.EndTime.Sub(s.StartTime))
	}
	if err := provider.Shutdown(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	// Output:
	// resize 18:20:00.001 42ms
	// thumbnails 18:20:00.000 50ms
}

// The commands of a run are told of its trace. An export by a provider that makes the
// identifiers of the record completes it.
func ExampleIDs() {
	const run = `{"type":"run","schema":"braid.record/1","wall":"2026-11-27T18:20:00Z","name":"thumbnails","trace":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
{"type":"span","t":1000,"end":43000,"c":1,"i":1,"a":1,"task":"resize","state":"ok","last":true}
{"type":"end","t":50000,"verdict":"ok","ok":1,"total":1}
`
	ctx := context.Background()
	spans := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(spans), sdktrace.WithIDGenerator(otelspans.IDs{}))
	err := otelspans.Export(ctx, record.NewReader(strings.NewReader(run)), provider, otelspans.Config{IDs: true})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	for _, s := range spans.GetSpans() {
		fmt.Println(s.Name, s.SpanContext.TraceID(), s.SpanContext.SpanID())
	}
	if err := provider.Shutdown(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	// Output:
	// resize 4bf92f3577b34da6a3ce929d0e0e4736 dd825757b5ec074b
	// thumbnails 4bf92f3577b34da6a3ce929d0e0e4736 00f067aa0ba902b7
}
