module github.com/go-braid/braid/bench

go 1.26.0

replace github.com/go-braid/braid => ../
