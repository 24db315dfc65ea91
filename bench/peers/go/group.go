package main

import (
	"fmt"

	"go.etcd.io/raft/v3"
)

const (
	first        = 2 // index of the snapshot that each storage begins with
	compactEvery = 10_000
	keep         = 1_000
)

// member is a node with its storage, its inbox, and its applied entries.
type member struct {
	node                         *raft.RawNode
	storage                      *raft.MemoryStorage
	inbox, spare                 []message
	applied, appliedBytes, reads int
}

// group is nodes 1 to len(members) of one process; sent counts all messages.
type group struct {
	members []*member
	sent    int
}

func config(id uint64, storage *raft.MemoryStorage) *raft.Config {
	return &raft.Config{
		ID:              id,
		ElectionTick:    10,
		HeartbeatTick:   1,
		Storage:         storage,
		MaxSizePerMsg:   1 << 20,
		MaxInflightMsgs: 256,
		Logger:          logger,
	}
}

// newGroup makes a group and elects its first member.
func newGroup(size int) (*group, error) {
	g := &group{}
	voters := make([]uint64, size)
	for i := range voters {
		voters[i] = uint64(i + 1)
	}
	for _, id := range voters {
		m := &member{storage: raft.NewMemoryStorage()}
		if err := m.storage.ApplySnapshot(membersSnapshot(voters)); err != nil {
			return nil, err
		}
		node, err := raft.NewRawNode(config(id, m.storage))
		if err != nil {
			return nil, err
		}
		m.node = node
		g.members = append(g.members, m)
	}
	if err := g.members[0].node.Campaign(); err != nil {
		return nil, err
	}
	if err := g.drain(); err != nil {
		return nil, err
	}
	return g, g.checkLeader(0)
}

// drain passes over the members by id, each stepping its inbox and then handling at most one Ready, until a pass does
// nothing.
func (g *group) drain() error {
	for busy := true; busy; {
		busy = false
		for _, m := range g.members {
			if len(m.inbox) > 0 {
				busy = true
				inbox := m.inbox
				m.inbox, m.spare = m.spare[:0], inbox
				for i := range inbox {
					if err := m.node.Step(inbox[i]); err != nil {
						return err
					}
				}
				clear(inbox) // what was stepped must not be kept alive
			}
			if m.node.HasReady() {
				busy = true
				if err := g.handle(m, m.node.Ready()); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// handle persists, sends, applies and advances.
func (g *group) handle(m *member, rd raft.Ready) error {
	if err := saveHardState(m.storage, rd); err != nil {
		return err
	}
	if len(rd.Entries) > 0 {
		if err := m.storage.Append(rd.Entries); err != nil {
			return err
		}
	}
	g.sent += len(rd.Messages)
	for i := range rd.Messages {
		to := g.members[receiver(rd.Messages[i])-1]
		to.inbox = append(to.inbox, rd.Messages[i])
	}
	m.applied += len(rd.CommittedEntries)
	for i := range rd.CommittedEntries {
		m.appliedBytes += len(rd.CommittedEntries[i].Data)
	}
	m.reads += len(rd.ReadStates)
	m.node.Advance(rd)
	return nil
}

// release gives the inboxes' buffers back, because they belong to this program and not to the library.
func (g *group) release() {
	for _, m := range g.members {
		m.inbox, m.spare = nil, nil
	}
}

// compact drops all but the last entries from each storage.
func (g *group) compact() error {
	for _, m := range g.members {
		begin, err := m.storage.FirstIndex()
		if err != nil {
			return err
		}
		end, err := m.storage.LastIndex()
		if err != nil {
			return err
		}
		if end >= begin+keep {
			if err := m.storage.Compact(end - keep); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkLeader checks that all members agree on the leader.
func (g *group) checkLeader(place int) error {
	for i, m := range g.members {
		if lead := m.node.BasicStatus().Lead; lead != uint64(place+1) {
			return fmt.Errorf("node %d follows %d instead of %d", i+1, lead, place+1)
		}
	}
	return nil
}

// check checks that every member has committed and applied exactly this many entries and bytes.
func (g *group) check(entries, payload int) error {
	index := uint64(first + entries)
	for i, m := range g.members {
		status := m.node.BasicStatus()
		last, err := m.storage.LastIndex()
		if err != nil {
			return err
		}
		if m.applied != entries || m.appliedBytes != payload || committed(status) != index || status.Applied != index || last != index {
			return fmt.Errorf("node %d applied %d entries of %d bytes, commit %d, applied %d, last index %d; expected %d, %d, %d",
				i+1, m.applied, m.appliedBytes, committed(status), status.Applied, last, entries, payload, index)
		}
	}
	return nil
}
