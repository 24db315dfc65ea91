package main

import (
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"strconv"

	"go.etcd.io/raft/v3/tracker"
)

// replicate proposes in batches and drains each.
func replicate(o options) (*measured, error) {
	g, err := newGroup(o.nodes)
	if err != nil {
		return nil, err
	}
	data := pattern(128 + o.batch + o.size)
	batches, span := max(1, o.n/o.batch), max(1, compactEvery/o.batch)
	out := newMeasured(batches * o.batch)
	before := g.sent
	err = out.run(func() error {
		for start := 0; start < batches; start += span {
			for number := start; number < min(start+span, batches); number++ {
				for at := number % 128; at < number%128+o.batch; at++ {
					if err := g.members[0].node.Propose(data[at : at+o.size]); err != nil {
						return err
					}
				}
				if err := g.drain(); err != nil {
					return err
				}
			}
			if err := g.compact(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	each, ok := map[int]int{1: 0, 3: 8, 5: 16}[o.nodes]
	if !ok {
		each = -1
	}
	if err := out.expect(g.sent-before, each); err != nil {
		return nil, err
	}
	return out, g.check(1+out.n, out.n*o.size)
}

// pattern has at least this many bytes, with no 256 equal ones in a row.
func pattern(size int) []byte {
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(i)
	}
	return data
}

// readIndex makes safe reads and drains each.
func readIndex(o options) (*measured, error) {
	g, err := newGroup(o.nodes)
	if err != nil {
		return nil, err
	}
	contexts := make([][]byte, o.n)
	for number := range contexts {
		contexts[number] = strconv.AppendInt(nil, int64(number), 10)
	}
	out := newMeasured(o.n)
	before := g.sent
	err = out.run(func() error {
		for _, context := range contexts {
			g.members[0].node.ReadIndex(context)
			if err := g.drain(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if g.members[0].reads != o.n {
		return nil, fmt.Errorf("%d of %d reads were answered", g.members[0].reads, o.n)
	}
	if err := out.expect(g.sent-before, onlyOfThree(o, 4)); err != nil {
		return nil, err
	}
	return out, g.check(1, 0)
}

// ticks lets idle groups of three tick; each operation is one tick of one group, with heartbeats and answers.
func ticks(o options) (*measured, error) {
	debug.FreeOSMemory()
	memory := resident()
	groups := make([]*group, o.groups)
	for i := range groups {
		g, err := newGroup(3)
		if err != nil {
			return nil, err
		}
		g.release()
		groups[i] = g
	}
	debug.FreeOSMemory()
	memory = resident() - memory
	rounds := max(1, o.n/o.groups)
	out := newMeasured(rounds * o.groups)
	before := sentBy(groups)
	err := out.run(func() error {
		for range rounds {
			for _, g := range groups {
				for _, m := range g.members {
					m.node.Tick()
				}
				if err := g.drain(); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		if err := g.check(1, 0); err != nil {
			return nil, err
		}
		if err := g.checkLeader(0); err != nil {
			return nil, err
		}
	}
	out.extra["groups"] = o.groups
	out.extra["resident_bytes_per_node"] = memory / (3 * o.groups)
	return out, out.expect(sentBy(groups)-before, 4)
}

func sentBy(groups []*group) int {
	sent := 0
	for _, g := range groups {
		sent += g.sent
	}
	return sent
}

// election campaigns from alternating nodes.
func election(o options) (*measured, error) {
	return changes(o, 12, func(g *group, _, to int) error { return g.members[to].node.Campaign() })
}

// transfer moves the leadership to the next node.
func transfer(o options) (*measured, error) {
	return changes(o, 13, func(g *group, at, to int) error {
		g.members[at].node.TransferLeader(uint64(to + 1))
		return nil
	})
}

func changes(o options, each int, change func(g *group, at, to int) error) (*measured, error) {
	g, err := newGroup(o.nodes)
	if err != nil {
		return nil, err
	}
	out := newMeasured(o.n)
	before := g.sent
	err = out.run(func() error {
		leader := 0
		for number := 1; number <= o.n; number++ {
			next := (leader + 1) % o.nodes
			if err := change(g, leader, next); err != nil {
				return err
			}
			if err := g.drain(); err != nil {
				return err
			}
			leader = next
			if number%compactEvery == 0 {
				if err := g.compact(); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := out.expect(g.sent-before, onlyOfThree(o, each)); err != nil {
		return nil, err
	}
	if err := g.checkLeader(o.n % o.nodes); err != nil {
		return nil, err
	}
	return out, g.check(1+o.n, 0)
}

// onlyOfThree is the number of messages of a group of three, and -1, for any, in other groups.
func onlyOfThree(o options, each int) int {
	if o.nodes != 3 {
		return -1
	}
	return each
}

// quorum finds the committed index of a majority, through the tracker.
func quorum(o options) (*measured, error) {
	members := tracker.MakeProgressTracker(256, 0)
	random := rand.New(rand.NewPCG(1, 1))
	var matches []uint64
	for id := uint64(1); id <= uint64(o.nodes); id++ {
		match := 1 + random.Uint64N(1_000_000)
		members.Voters[0][id] = struct{}{}
		members.Progress[id] = &tracker.Progress{Match: match, Next: match + 1}
		matches = append(matches, match)
	}
	slices.Sort(matches)
	want := matches[o.nodes-(o.nodes/2+1)]
	out := newMeasured(o.n)
	out.extra["nodes"] = o.nodes
	err := out.run(func() error {
		for range o.n {
			if found := members.Committed(); found != want {
				return fmt.Errorf("committed index %d instead of %d", found, want)
			}
		}
		return nil
	})
	return out, err
}
