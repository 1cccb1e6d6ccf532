package braid_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/strand"
)

// A scope is left when all that was started in it has come to its end.
func ExampleScope() {
	var user, orders *braid.Future[string]
	err := braid.Scope(context.Background(), nil, func(ctx context.Context, g *braid.Group) error {
		user = braid.Go(ctx, g, func(context.Context) (string, error) { return "Ada", nil })
		orders = braid.Go(ctx, g, func(context.Context) (string, error) { return "3 orders", nil })
		return nil
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	name, _ := user.Await(context.Background()) // complete: there is nothing to wait for
	list, _ := orders.Await(context.Background())
	fmt.Println(name, "has", list)
	// Output:
	// Ada has 3 orders
}

// The first failure cancels the others, and is what the scope returns.
func ExampleScope_failFast() {
	errDown := errors.New("the database is down")
	err := braid.Scope(context.Background(), nil, func(ctx context.Context, g *braid.Group) error {
		braid.Go(ctx, g, func(ctx context.Context) (int, error) {
			<-ctx.Done() // would wait for ever
			return 0, ctx.Err()
		})
		braid.Go(ctx, g, func(context.Context) (int, error) { return 0, errDown }, braid.Name("query"))
		return nil
	})
	fmt.Println(err)
	fmt.Println(errors.Is(err, errDown))
	// Output:
	// braid: task query on goroutines: the database is down
	// true
}

// With Settle, every child comes to its end and all failures are returned.
func ExampleJoin_settle() {
	err := braid.Scope(context.Background(), nil, func(ctx context.Context, g *braid.Group) error {
		for i := range 4 {
			f := braid.Go(ctx, g, func(context.Context) (int, error) {
				if i%2 == 1 {
					return 0, fmt.Errorf("%d is odd", i)
				}
				return i, nil
			})
			<-f.Done() // one after the other, for the example's sake
		}
		return nil
	}, braid.Join(braid.Settle))
	fmt.Println(err)
	// Output:
	// braid: on goroutines: 1 is odd
	// braid: on goroutines: 3 is odd
}

// With FirstSuccess, the first child to succeed cancels the others.
func ExampleJoin_firstSuccess() {
	found := strand.NewQueue[string](3)
	err := braid.Scope(context.Background(), nil, func(ctx context.Context, g *braid.Group) error {
		for _, mirror := range []string{"slow", "broken", "near"} {
			braid.Go(ctx, g, func(ctx context.Context) (int, error) {
				switch mirror {
				case "slow":
					<-ctx.Done()
					return 0, ctx.Err()
				case "broken":
					return 0, fmt.Errorf("%s is broken", mirror)
				}
				return 0, found.TryPut(mirror)
			})
		}
		return nil
	}, braid.Join(braid.FirstSuccess))
	fmt.Println(err)
	fmt.Println(found.TryGet())
	// Output:
	// <nil>
	// near <nil>
}

// With Limit, Go waits while so many children run.
func ExampleLimit() {
	err := braid.Scope(context.Background(), nil, func(ctx context.Context, g *braid.Group) error {
		for i := range 3 {
			braid.Go(ctx, g, func(context.Context) (int, error) {
				fmt.Println("child", i)
				return 0, nil
			})
		}
		return nil
	}, braid.Limit(1))
	fmt.Println(err)
	// Output:
	// child 0
	// child 1
	// child 2
	// <nil>
}
