// Package lane gives a part of an engine's work limits of its own. A [Lane] stands
// in front of an engine, takes calls for it, and lets them through by a rule: so many
// at once, so many a second, as many at once as do not slow each other down, or
// several of these together.
//
// Lanes in front of one pool share its workers. They are what other libraries call
// sub-pools, limited views or bulkheads: one for each database, customer or site, so
// that none of them can take all the workers. A lane works in front of any executor,
// another lane included, and is an executor itself.
//
//	pool := threading.NewPool(threading.Config{Workers: 64})
//	thumbnails := lane.New(pool, lane.Config{Limit: 4})
//	site := lane.New(pool, lane.Config{Rate: 10, Burst: 20})
//	database := lane.New(pool, lane.Config{Adaptive: &lane.Gradient{Max: 50}})
//
// To limit the calls of one map or scope, [braid.Limit] is enough.
package lane
