package multiprocessing

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
)

// An Actor is state that lives in one worker process, and takes calls one after the
// other: what Python makes of a manager and its proxies. Its methods are tasks whose
// state is in variables of the worker; see the example. Make one with [NewActor].
//
// The state dies with its process. The calls that come then fail with
// [ErrActorDied], so that nobody takes a fresh state for the old one.
type Actor struct {
	pool *Pool
	pid  int
}

// ErrActorDied says that the process of an actor is dead, and its state is lost.
var ErrActorDied = errors.New("the actor's process is dead, and its state with it")

// NewActor starts an actor: a process in which init is run first. Of cfg, what is about
// several workers is ignored, and what would replace the worker is refused.
func NewActor(ctx context.Context, init *Initializer, cfg Config) (*Actor, error) {
	if cfg.MaxTasksPerWorker != 0 || cfg.Lifetime != 0 || cfg.IdleTimeout != 0 {
		return nil, errors.New("multiprocessing: MaxTasksPerWorker, Lifetime and IdleTimeout would end the actor and lose its state: leave them 0")
	}
	cfg.Workers, cfg.Init = 1, init
	p, err := NewPool(cfg)
	if err != nil {
		return nil, err
	}
	a := &Actor{pool: p}
	w, err := p.first()
	if err == nil {
		select {
		case <-w.answered:
			p.mu.Lock()
			if err = w.failure; err == nil && w.state == stopping {
				err = ErrActorDied
			}
			p.mu.Unlock()
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
	}
	if err != nil {
		done, cancel := context.WithCancel(context.WithoutCancel(ctx))
		cancel()
		_ = p.Close(done)
		return nil, fmt.Errorf("multiprocessing: the actor cannot be started: %w", err)
	}
	a.pid = w.pid
	return a, nil
}

// first starts the worker of an actor: the first and the last.
func (p *Pool) first() (*worker, error) {
	p.mu.Lock()
	p.live, p.starting, p.monitoring, p.last = 1, 1, true, true
	number := p.takeNumber()
	p.mu.Unlock()
	w, err := p.launch(number)
	if err != nil {
		p.mu.Lock()
		p.monitoring, p.starting, p.live = false, 0, 0
		p.numbers[number-1] = false
		p.mu.Unlock()
		return nil, err
	}
	go p.monitor()
	return w, nil
}

// Start implements [engine.Executor]: it hands the call to the actor's process.
func (a *Actor) Start(ctx context.Context, c *engine.Call) { a.pool.Start(ctx, c) }

// Size implements [engine.Sizer]: it returns 1.
func (a *Actor) Size() int { return 1 }

// PID returns the process in which the actor lives.
func (a *Actor) PID() int { return a.pid }

// Close ends the actor, as [Pool.Close] does.
func (a *Actor) Close(ctx context.Context) error { return a.pool.Close(ctx) }

var _ braid.Executor = (*Actor)(nil)
