package main

// startBraid starts a pool of one worker of braid's, for the works of
// workerWorks; nil while there is none.
var startBraid func() (*worker, error)

// braidPools are the works that need a pool of two workers, by the name that the
// cases give them: "map" over n items returns the time of one; "storm" of n tasks
// returns the values that peers/pools.py says at storm.
var braidPools = map[string]func(n int) ([]float64, error){}

// braidDoes says whether braid does a work.
func braidDoes(what string) bool {
	return braidPools[what] != nil || startBraid != nil && workerWorks[what] != nil
}
