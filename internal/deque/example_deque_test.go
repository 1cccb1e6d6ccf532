package deque_test

import (
	"fmt"

	"github.com/go-braid/braid/internal/deque"
)

// The owner takes what it has put in last; a thief, the oldest.
func Example() {
	var d deque.Deque[string]
	for _, task := range []string{"sweep", "wash", "cook"} {
		d.Push(&task)
	}
	fmt.Println("the owner pops", *d.Pop())
	v, retry := d.Steal()
	for retry {
		v, retry = d.Steal()
	}
	fmt.Println("a thief steals", *v)
	fmt.Println("left:", d.Len())
	// Output:
	// the owner pops cook
	// a thief steals sweep
	// left: 1
}
