package coro

import (
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newRoot(s *Set) *Coro {
	c := new(Coro)
	s.Root(c)
	return c
}

func newCoro(s *Set, fn func(*Coro)) *Coro {
	c := new(Coro)
	s.Init(c, &body{c, fn})
	return c
}

type body struct {
	c  *Coro
	fn func(*Coro)
}

func (b *body) RunCoro() { b.fn(b.c) }

// TestSwitch goes round three coroutines twice, in an order in which none rests
// at home for long.
func TestSwitch(t *testing.T) {
	var s Set
	root := newRoot(&s)
	var got []int
	var cs [3]*Coro
	for i := range cs {
		cs[i] = newCoro(&s, func(c *Coro) {
			got = append(got, i)
			c.Switch(cs[(i+1)%3])
			got = append(got, i)
			if i < 2 {
				c.Exit(cs[i+1], false)
			} else {
				c.Exit(root, false)
			}
		})
	}
	root.Switch(cs[0])
	s.Wait()
	if want := []int{0, 1, 2, 0, 1, 2}; !slices.Equal(got, want) {
		t.Errorf("ran in the order %v, want %v", got, want)
	}
}

// A game switches, starts and ends coroutines at random, half of them by Goexit,
// and checks after each switch that the right one runs.
type game struct {
	*testing.T
	r     *rand.Rand
	set   Set
	root  *Coro
	alive []*Coro
	made  int
	next  *Coro // who is to run next
}

func (g *game) pick(not *Coro) *Coro {
	for {
		if c := g.alive[g.r.IntN(len(g.alive))]; c != not {
			g.next = c
			return c
		}
	}
}

func (g *game) check(c *Coro) {
	if g.next != c {
		g.Error("the wrong coroutine runs")
	}
}

func (g *game) play(c *Coro, steps int) {
	for i := 0; i < steps || c == g.root && len(g.alive) > 1; i++ {
		if g.made < 40 && g.r.IntN(3) == 0 {
			g.made++
			g.alive = append(g.alive, newCoro(&g.set, g.live))
		}
		if len(g.alive) > 1 {
			c.Switch(g.pick(c))
			g.check(c)
		}
	}
}

func (g *game) live(c *Coro) {
	g.check(c)
	goexit := g.r.IntN(2) == 0
	defer func() {
		to := g.pick(c)
		g.alive = slices.DeleteFunc(g.alive, func(a *Coro) bool { return a == c })
		c.Exit(to, goexit)
	}()
	g.play(c, g.r.IntN(20))
	if goexit {
		runtime.Goexit()
	}
}

func TestRandom(t *testing.T) {
	for seed := range uint64(50) {
		g := &game{T: t, r: rand.New(rand.NewPCG(seed, 0))}
		g.root = newRoot(&g.set)
		g.alive = []*Coro{g.root}
		g.play(g.root, 30)
		g.set.Wait()
		if g.made == 0 {
			t.Errorf("seed %d made no coroutine", seed)
		}
		if t.Failed() {
			t.Fatalf("with seed %d", seed)
		}
	}
}

func BenchmarkSwitch(b *testing.B) {
	var s Set
	root := newRoot(&s)
	n, left := b.N, 2
	var cs [2]*Coro
	for i := range cs {
		cs[i] = newCoro(&s, func(c *Coro) {
			for ; n > 0; n-- {
				c.Switch(cs[1-i])
			}
			if left--; left > 0 {
				c.Exit(cs[1-i], false)
			} else {
				c.Exit(root, false)
			}
		})
	}
	b.ResetTimer()
	root.Switch(cs[0])
	s.Wait()
}
