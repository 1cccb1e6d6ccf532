package threading

// Chunks implements [engine.Chunker].
//
// A Pool is no [engine.Batcher]: the items of a batch run one after the other, and the
// items of a Map in this process may wait for one another, or their input for them.
func (p *Pool) Chunks() {}
