package input

import (
	"context"
	"iter"
	"strings"
)

// Group returns the inputs that the item is made of, or nil if it is a single one; see
// [Config.Group].
func (it Item) Group() []string {
	if it.Format == Lines {
		return it.Fields
	}
	return nil
}

// groups yields the items as groups of cfg.Group, the last one of what is left. Errors stand
// for themselves.
func groups(ctx context.Context, cfg Config) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		var group Item
		for it, err := range single(ctx, cfg) {
			if err != nil {
				if !yield(it, err) {
					return
				}
				continue
			}
			if group.Fields == nil {
				group = it
			}
			group.Fields = append(group.Fields, it.Text)
			if len(group.Fields) == cfg.Group {
				if !yield(group.joined(), nil) {
					return
				}
				group = Item{}
			}
		}
		if group.Fields != nil && ctx.Err() == nil {
			yield(group.joined(), nil)
		}
	}
}

// joined returns the group with its text.
func (it Item) joined() Item {
	it.Text = strings.Join(it.Fields, " ")
	return it
}
