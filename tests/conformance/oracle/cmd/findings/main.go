// Shows the findings of docs/findings.md on the reference: ways in which its contract, followed to the letter, breaks
// linearizability or a member's configuration. The steps and the output are the same as in the programs there.
package main

import (
	"fmt"
	"io"
	"log"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

type member struct {
	id      uint64
	async   bool
	lease   bool
	disk    *raft.MemoryStorage
	node    *raft.RawNode
	synced  *pb.HardState
	writes  []*pb.Message
	sent    []*pb.Message
	applied []*pb.Entry
	reads   []raft.ReadState
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func newMember(id uint64, async bool, voters ...uint64) *member {
	m := &member{id: id, async: async, disk: raft.NewMemoryStorage()}
	members := &pb.ConfState{Voters: voters}
	check(m.disk.ApplySnapshot(&pb.Snapshot{Metadata: &pb.SnapshotMetadata{
		Index: proto.Uint64(1), Term: proto.Uint64(1), ConfState: members,
	}}))
	m.start()
	return m
}

// start forgets everything but the disk.
func (m *member) start() {
	m.writes, m.sent = nil, nil
	config := &raft.Config{
		ID: m.id, ElectionTick: 10, HeartbeatTick: 1, Storage: m.disk, AsyncStorageWrites: m.async,
		MaxSizePerMsg: 1000, MaxInflightMsgs: 10, CheckQuorum: m.lease,
		Logger: &raft.DefaultLogger{Logger: log.New(io.Discard, "", 0)},
	}
	if m.lease {
		config.ReadOnlyOption = raft.ReadOnlyLeaseBased
	}
	node, err := raft.NewRawNode(config)
	check(err)
	m.node = node
}

func (m *member) apply(entries []*pb.Entry) {
	for _, e := range entries {
		if e.GetType() == pb.EntryConfChange {
			change := &pb.ConfChange{}
			check(proto.Unmarshal(e.GetData(), change))
			m.node.ApplyConfChange(change)
		}
		m.applied = append(m.applied, e)
	}
}

// work handles at most this many Readys; with asynchronous writes it only queues the writes.
func (m *member) work(readies int) {
	for ; readies > 0 && m.node.HasReady(); readies-- {
		rd := m.node.Ready()
		m.reads = append(m.reads, rd.ReadStates...)
		if m.async {
			for _, msg := range rd.Messages {
				switch msg.GetTo() {
				case raft.LocalAppendThread:
					m.writes = append(m.writes, msg)
				case raft.LocalApplyThread:
					m.apply(msg.GetEntries())
					check(m.node.Step(msg.GetResponses()[0]))
				default:
					m.sent = append(m.sent, msg)
				}
			}
			continue
		}
		check(m.disk.Append(rd.Entries))
		if rd.HardState != nil {
			check(m.disk.SetHardState(rd.HardState))
		}
		if rd.MustSync {
			m.synced, _, _ = m.disk.InitialState()
		}
		m.sent = append(m.sent, rd.Messages...)
		m.apply(rd.CommittedEntries)
		m.node.Advance(rd)
	}
}

// write does the queued writes, and prints what depends on them.
func (m *member) write() {
	m.work(100)
	for len(m.writes) > 0 {
		msg := m.writes[0]
		m.writes = m.writes[1:]
		if msg.Term != nil {
			check(m.disk.SetHardState(&pb.HardState{Term: msg.Term, Vote: msg.Vote, Commit: msg.Commit}))
		}
		check(m.disk.Append(msg.GetEntries()))
		for _, each := range msg.GetResponses() {
			if each.GetTo() == m.id {
				check(m.node.Step(each))
			} else {
				m.sent = append(m.sent, each)
			}
		}
		m.work(100)
	}
}

// carry delivers the messages that one node has sent to the others; the rest is lost.
func carry(one *member, others ...*member) {
	one.work(100)
	sent := one.sent
	one.sent = nil
	for _, msg := range sent {
		for _, other := range others {
			if msg.GetTo() == other.id {
				check(other.node.Step(msg))
			}
		}
	}
}

func show(entries []*pb.Entry) string {
	text := ""
	for _, e := range entries {
		text += fmt.Sprintf(" %d/%d:%q", e.GetTerm(), e.GetIndex(), e.GetData())
	}
	return text
}

func voteBeforeTheDisk() {
	a, b, c := newMember(1, true, 1, 2, 3), newMember(2, true, 1, 2, 3), newMember(3, true, 1, 2, 3)
	check(a.node.Campaign())
	carry(a, b, c)
	for _, voter := range []*member{b, c} {
		voter.write()
		carry(voter, a)
	}
	check(a.node.Propose([]byte("x")))
	for i := 0; i < 2; i++ {
		carry(a, b)
		b.write()
		carry(b, a)
	}
	a.start()
	check(a.node.Campaign())
	carry(a, c)
	c.write()
	carry(c, a)
	a.write()
	check(a.node.Propose([]byte("y")))
	for i := 0; i < 5; i++ {
		a.write()
		carry(a, b, c)
		for _, follower := range []*member{b, c} {
			follower.write()
			carry(follower, a)
		}
	}
	fmt.Println("applied by 1:" + show(a.applied))
	fmt.Println("applied by 2:" + show(b.applied))
}

func readOfASingleVoter() {
	a := newMember(1, false, 1)
	check(a.node.Campaign())
	a.work(100)
	check(a.node.Propose([]byte("x")))
	a.work(100)
	fmt.Println("acknowledged:" + show(a.applied[1:]))
	check(a.disk.SetHardState(a.synced))
	a.start()
	check(a.node.Campaign())
	a.work(1)
	a.node.ReadIndex([]byte("read"))
	a.work(1)
	for _, state := range a.reads {
		fmt.Println("read at index", state.Index)
	}
}

func readOfARemovedLeader() {
	a, b := newMember(1, false, 1, 2), newMember(2, false, 1, 2)
	exchange := func() {
		for i := 0; i < 4; i++ {
			carry(a, b)
			carry(b, a)
		}
	}
	check(a.node.Campaign())
	exchange()
	change := &pb.ConfChange{Type: pb.ConfChangeRemoveNode.Enum(), NodeId: proto.Uint64(1)}
	check(a.node.ProposeConfChange(change))
	exchange()
	check(b.node.Campaign())
	b.work(100)
	check(b.node.Propose([]byte("x")))
	b.work(100)
	fmt.Println("acknowledged by 2:" + show(b.applied[len(b.applied)-1:]))
	a.node.ReadIndex([]byte("read"))
	a.work(100)
	for _, state := range a.reads {
		fmt.Println("read through 1 at index", state.Index)
	}
}

func leaseGivenAway() {
	members := []*member{newMember(1, false, 1, 2, 3), newMember(2, false, 1, 2, 3), newMember(3, false, 1, 2, 3)}
	for _, m := range members {
		m.lease = true
		m.start()
	}
	a, b, c := members[0], members[1], members[2]
	check(a.node.Campaign())
	for i := 0; i < 4; i++ {
		carry(a, b, c)
		carry(b, a)
		carry(c, a)
	}
	a.node.TransferLeader(2)
	carry(a, b)
	exchange := func(times int) {
		for i := 0; i < times; i++ {
			carry(b, c)
			carry(c, b)
		}
	}
	exchange(3)
	check(b.node.Propose([]byte("x")))
	exchange(2)
	fmt.Println("acknowledged by 2:" + show(b.applied[len(b.applied)-1:]))
	for _, m := range members {
		for i := 0; i < 5; i++ {
			m.node.Tick()
		}
	}
	a.node.ReadIndex([]byte("read"))
	a.work(100)
	for _, state := range a.reads {
		fmt.Println("read through 1 at index", state.Index)
	}
}

func snapshotThatMustBeRefused() {
	a := newMember(1, false, 1)
	b := &member{id: 2, disk: raft.NewMemoryStorage()}
	b.start()
	check(a.node.Campaign())
	a.work(100)
	change := &pb.ConfChange{Type: pb.ConfChangeAddLearnerNode.Enum(), NodeId: proto.Uint64(2)}
	check(a.node.ProposeConfChange(change))
	a.work(100)
	a.node.Tick()
	snapshots := 0
	for i := 0; i < 100; i++ {
		a.work(100)
		sent := a.sent
		a.sent = nil
		for _, msg := range sent {
			if msg.GetType() == pb.MsgSnap {
				snapshots++
				a.node.ReportSnapshot(2, raft.SnapshotFinish)
			}
			check(b.node.Step(msg))
		}
		carry(b, a)
	}
	fmt.Println("snapshots sent within one tick, in 100 round trips:", snapshots)
	fmt.Println("applied by 2:", b.node.Status().Applied)
}

func snapshotOvertakesAChange() {
	m := newMember(3, false, 1, 2, 3)
	change := &pb.ConfChange{Type: pb.ConfChangeRemoveNode.Enum(), NodeId: proto.Uint64(2)}
	data, err := proto.Marshal(change)
	check(err)
	e := &pb.Entry{Type: pb.EntryConfChange.Enum(), Term: proto.Uint64(1), Index: proto.Uint64(2), Data: data}
	check(m.node.Step(&pb.Message{
		Type: pb.MsgApp.Enum(), To: proto.Uint64(3), From: proto.Uint64(1), Term: proto.Uint64(1),
		Index: proto.Uint64(1), LogTerm: proto.Uint64(1), Entries: []*pb.Entry{e}, Commit: proto.Uint64(2),
	}))
	rd := m.node.Ready()
	check(m.node.Step(&pb.Message{
		Type: pb.MsgSnap.Enum(), To: proto.Uint64(3), From: proto.Uint64(1), Term: proto.Uint64(1),
		Snapshot: &pb.Snapshot{Metadata: &pb.SnapshotMetadata{
			Index: proto.Uint64(4), Term: proto.Uint64(1), ConfState: &pb.ConfState{Voters: []uint64{1, 2, 3}},
		}},
	}))
	check(m.disk.Append(rd.Entries))
	check(m.disk.SetHardState(rd.HardState))
	m.apply(rd.CommittedEntries)
	m.node.Advance(rd)
	rd = m.node.Ready()
	check(m.disk.ApplySnapshot(rd.Snapshot))
	check(m.disk.SetHardState(rd.HardState))
	m.node.Advance(rd)
	fmt.Println("voters of the snapshot: (1 2 3), in force after it:", m.node.Status().Config.Voters)
}

func main() {
	voteBeforeTheDisk()
	readOfASingleVoter()
	readOfARemovedLeader()
	leaseGivenAway()
	snapshotOvertakesAChange()
	snapshotThatMustBeRefused()
}
