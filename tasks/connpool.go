package tasks

import (
	"sync"
	"time"

	"github.com/go-braid/braid/asyncio"
)

// How many connections without a request are kept, and for how long. By default
// package net/http keeps two to a host. A batch often asks one host only, on as
// many strands as there are.
const (
	maxIdle        = 512
	maxIdlePerHost = 256
	idleTimeout    = 30 * time.Second
)

// connPools are the idle connections of all loops. The zero value is ready to use.
type connPools struct {
	mu    sync.Mutex
	pools map[*asyncio.Loop]*connPool
}

// of returns the pool of a loop.
func (ps *connPools) of(loop *asyncio.Loop) *connPool {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p := ps.pools[loop]
	if p != nil {
		return p
	}
	// A loop that has ended has closed its connections; what is left of it goes
	// when the next one comes.
	for other := range ps.pools {
		if _, runs := other.CallSoonThreadsafe(func() {}); !runs {
			delete(ps.pools, other)
		}
	}
	if ps.pools == nil {
		ps.pools = make(map[*asyncio.Loop]*connPool)
	}
	p = &connPool{loop: loop, idle: make(map[route][]*conn)}
	ps.pools[loop] = p
	return p
}

// A connPool holds the idle connections of one loop. It is used on that loop only,
// and so needs no lock.
type connPool struct {
	loop     *asyncio.Loop
	idle     map[route][]*conn // the one used last at the end
	n        int               // of all
	sweeping bool              // a sweep is to come
}

// take returns an idle connection for r, or nil.
func (p *connPool) take(r route) *conn {
	list := p.idle[r]
	if len(list) == 0 {
		return nil
	}
	last := len(list) - 1
	c := list[last]
	list[last] = nil
	p.keep(r, list[:last])
	p.n--
	c.idle = false
	return c
}

// put keeps c for the next request, or closes it if there are enough.
func (p *connPool) put(c *conn) {
	list := p.idle[c.route]
	if p.n >= maxIdle || len(list) >= maxIdlePerHost {
		c.close()
		return
	}
	p.idle[c.route] = append(list, c)
	p.n++
	p.schedule()
}

func (p *connPool) keep(r route, list []*conn) {
	if len(list) == 0 {
		delete(p.idle, r)
	} else {
		p.idle[r] = list
	}
}

// schedule sees that a sweep comes. There are two in the time that a connection
// may be idle, and it is closed by the second one that finds it so.
func (p *connPool) schedule() {
	if !p.sweeping {
		p.sweeping = true
		p.loop.CallLater(idleTimeout/2, p.sweep)
	}
}

func (p *connPool) sweep() {
	p.sweeping = false
	for r, list := range p.idle {
		kept := list[:0]
		for _, c := range list {
			if c.idle {
				c.close()
				p.n--
				continue
			}
			c.idle = true
			kept = append(kept, c)
		}
		clear(list[len(kept):])
		p.keep(r, kept)
	}
	if p.n > 0 {
		p.schedule()
	}
}
