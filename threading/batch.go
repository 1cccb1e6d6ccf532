package threading

// Chunks implements [engine.Chunker].
func (p *Pool) Chunks() {}

// MaxBatch implements [engine.Batcher]: small calls of a Map run together, unless somebody
// listens to the pool, who is to hear of each.
func (p *Pool) MaxBatch() int {
	if p.cfg.Listener != nil || p.cfg.Labels || p.cfg.Slow > 0 {
		return 1
	}
	return 4096
}
