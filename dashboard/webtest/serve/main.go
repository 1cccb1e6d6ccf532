// Serve shows the page with a made run, to work on it: go run ./serve -spans 100000
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"

	"github.com/go-braid/braid/dashboard/webtest"
)

func main() {
	var s webtest.Shape
	dir := flag.String("dir", "../web/dist", "folder of the page")
	addr := flag.String("addr", "127.0.0.1:0", "address to listen on")
	flag.IntVar(&s.Spans, "spans", 10_000, "how many spans")
	flag.IntVar(&s.Lanes, "lanes", 16, "how many lanes")
	flag.Float64Var(&s.Mean, "mean", 40_000, "µs a span takes")
	flag.IntVar(&s.Tasks, "tasks", 1, "how many kinds of task")
	flag.Float64Var(&s.Failing, "failing", 0.002, "share that fails")
	flag.Float64Var(&s.Retried, "retried", 0.01, "share that is tried again")
	flag.IntVar(&s.Only, "only", 0, "only this span fails")
	flag.BoolVar(&s.Workers, "workers", false, "a process a lane")
	flag.BoolVar(&s.Second, "second", false, "two engines")
	flag.BoolVar(&s.Live, "live", false, "the run goes on")
	flag.BoolVar(&s.Idle, "idle", false, "a long pause in the middle")
	flag.BoolVar(&s.Lazy, "lazy", false, "without the texts of inputs")
	flag.Parse()

	l, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("http://%s/\n", l.Addr())
	log.Fatal(http.Serve(l, webtest.NewServer(http.Dir(*dir), webtest.Make(s))))
}
