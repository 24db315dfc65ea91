package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.etcd.io/raft/v3"
)

// host is a channel Node with its storage and the goroutine that handles its Readys.
type host struct {
	node    raft.Node
	storage *raft.MemoryStorage

	mu      sync.Mutex
	changed sync.Cond
	applied int
	err     error
}

// run handles Readys until the context is done.
func (h *host) run(ctx context.Context, hosts []*host) {
	for {
		select {
		case <-ctx.Done():
			return
		case rd := <-h.node.Ready():
			if err := h.handle(ctx, rd, hosts); err != nil {
				if ctx.Err() == nil {
					h.mu.Lock()
					h.err = err
					h.changed.Broadcast()
					h.mu.Unlock()
				}
				return
			}
		}
	}
}

func (h *host) handle(ctx context.Context, rd raft.Ready, hosts []*host) error {
	if err := saveHardState(h.storage, rd); err != nil {
		return err
	}
	if err := h.storage.Append(rd.Entries); err != nil {
		return err
	}
	for i := range rd.Messages {
		if err := hosts[receiver(rd.Messages[i])-1].node.Step(ctx, rd.Messages[i]); err != nil {
			return err
		}
	}
	count := 0
	for i := range rd.CommittedEntries {
		isChange, err := applyChange(h.node, rd.CommittedEntries[i])
		if err != nil {
			return err
		}
		if !isChange && len(rd.CommittedEntries[i].Data) > 0 {
			count++
		}
	}
	h.node.Advance()
	if count > 0 {
		h.mu.Lock()
		h.applied += count
		h.changed.Broadcast()
		h.mu.Unlock()
	}
	return nil
}

// applies waits until n entries are applied.
func (h *host) applies(n int) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for h.applied < n && h.err == nil {
		h.changed.Wait()
	}
	return h.err
}

// channelNodes has one proposer, which proposes one entry after the other, measured by wall clock.
func channelNodes(o options) (*measured, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	hosts := make([]*host, o.nodes)
	peers := make([]raft.Peer, o.nodes)
	for i := range peers {
		peers[i].ID = uint64(i + 1)
	}
	for i := range hosts {
		h := &host{storage: raft.NewMemoryStorage()}
		h.changed.L = &h.mu
		h.node = raft.StartNode(config(peers[i].ID, h.storage), peers)
		defer h.node.Stop()
		hosts[i] = h
	}
	for _, h := range hosts {
		go h.run(ctx, hosts)
	}
	data := make([]byte, o.size)
	leader := hosts[0].node
	for leader.Status().Applied < uint64(o.nodes) { // until the members are applied it does not campaign
		time.Sleep(time.Millisecond)
	}
	if err := leader.Campaign(ctx); err != nil {
		return nil, err
	}
	if err := leader.Propose(ctx, data); err != nil { // waits for a leader
		return nil, err
	}
	if err := hosts[0].applies(1); err != nil {
		return nil, err
	}
	out := newMeasured(o.n)
	err := out.run(func() error {
		for range o.n {
			if err := leader.Propose(ctx, data); err != nil {
				return err
			}
		}
		for _, h := range hosts {
			if err := h.applies(o.n + 1); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i, h := range hosts {
		h.mu.Lock()
		applied := h.applied
		h.mu.Unlock()
		if applied != o.n+1 {
			return nil, fmt.Errorf("node %d applied %d of %d entries", i+1, applied, o.n+1)
		}
	}
	return out, nil
}
