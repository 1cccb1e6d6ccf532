package tasks_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/tasks"
)

func ExampleResponse() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/missing" {
			http.NotFound(w, r)
			return
		}
		io.WriteString(w, "hello, world\n")
	}))
	defer server.Close()

	urls := slices.Values([]string{server.URL + "/", server.URL + "/missing"})
	for got, err := range braid.Map(context.Background(), nil, tasks.Fetch, urls) {
		if failure, ok := errors.AsType[*tasks.FetchError](err); ok {
			fmt.Println(failure.Status, failure.Hint)
			continue
		}
		fmt.Println(got.Status, got.Bytes, "bytes")
	}
	// Output:
	// 200 13 bytes
	// 404 check the path
}
