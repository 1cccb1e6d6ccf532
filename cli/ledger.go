package cli

import (
	"errors"
	"fmt"
	"io"

	"github.com/go-braid/braid/record"
)

// A ledger is what a run did with its inputs, with the runs that it took up. Inputs are
// known by their keys. Equal inputs have equal keys, so the ledger counts them.
type ledger struct {
	done map[string]int // the inputs that are done
	all  map[string]int // the inputs that there were
	gone string         // the ID of a run that was taken up and is not there any more
}

// open returns how many inputs of the key were not done.
func (l *ledger) open(key string) int { return l.all[key] - l.done[key] }

// readLedger reads what became of the inputs of a run and of those that it took up.
func readLedger(store record.Store, run record.Info) (*ledger, error) {
	// The oldest first: each says what was left of the ones before.
	chain := []record.Info{run}
	l := &ledger{done: make(map[string]int), all: make(map[string]int)}
	for id := run.Run.Parent; id != ""; {
		parent, err := store.Find(id)
		if errors.Is(err, record.ErrNoRun) || err == nil && len(chain) > maxChain {
			l.gone = id
			break
		}
		if err != nil {
			return nil, err
		}
		chain = append(chain, parent)
		id = parent.Run.Parent
	}
	for i := len(chain) - 1; i >= 0; i-- {
		if err := l.add(chain[i].Path); err != nil {
			return nil, fmt.Errorf("the record of run %s cannot be read: %w", chain[i].ID, err)
		}
	}
	return l, nil
}

// maxChain bounds how many runs are taken up one after the other. Nobody does so more
// often, and records that somebody has edited may go in a circle.
const maxChain = 10_000

// add adds what a run did to what the runs before it had left.
func (l *ledger) add(path string) error {
	r, err := record.Open(path)
	if err != nil {
		return err
	}
	defer r.Close()
	keys := make(map[int]string) // by the number of the input
	done := make(map[int]bool)
	delivers, most := false, 0
	for {
		line, err := r.Next()
		if err == io.EOF {
			break
		}
		if _, torn := errors.AsType[*record.SyntaxError](err); torn {
			continue // what it said is done again
		}
		if err != nil {
			return err
		}
		switch line := line.(type) {
		case *record.Run:
			delivers = line.Delivers
		case *record.Input:
			keys[line.Number] = line.Key
			most = max(most, line.Number)
		case *record.Span:
			if !delivers {
				done[line.Input] = line.OK()
			}
		case *record.Done:
			for _, r := range line.Inputs {
				for i := r[0]; i <= min(r[1], most); i++ {
					done[i] = true
				}
			}
		}
	}
	count := make(map[string]int)
	for _, key := range keys {
		count[key]++
	}
	for key, n := range count {
		// Those that were done before had no turn in this run, and are not among its
		// inputs.
		l.all[key] = max(l.all[key], l.done[key]+n)
	}
	for i, ok := range done {
		if key, known := keys[i]; known && ok {
			l.done[key]++
		}
	}
	return nil
}
