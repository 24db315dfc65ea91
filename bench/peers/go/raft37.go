//go:build !raft36

package main

import (
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

type message = *raftpb.Message

func receiver(m message) uint64 { return m.GetTo() }

func committed(status raft.BasicStatus) uint64 { return status.HardState.GetCommit() }

func saveHardState(storage *raft.MemoryStorage, rd raft.Ready) error {
	if raft.IsEmptyHardState(rd.HardState) {
		return nil
	}
	return storage.SetHardState(rd.HardState)
}

// applyChange applies a configuration change; false for any other entry.
func applyChange(node raft.Node, e *raftpb.Entry) (bool, error) {
	if e.GetType() != raftpb.EntryConfChange {
		return false, nil
	}
	var change raftpb.ConfChange
	if err := proto.Unmarshal(e.GetData(), &change); err != nil {
		return true, err
	}
	node.ApplyConfChange(&change)
	return true, nil
}

func membersSnapshot(voters []uint64) *raftpb.Snapshot {
	return &raftpb.Snapshot{Metadata: &raftpb.SnapshotMetadata{
		ConfState: &raftpb.ConfState{Voters: voters, AutoLeave: new(false)},
		Index:     new(uint64(first)),
		Term:      new(uint64(1)),
	}}
}

// appendMessage is a MsgApp as a leader sends it.
func appendMessage(o options) message {
	m := &raftpb.Message{
		Type: raftpb.MsgApp.Enum(), To: new(uint64(2)), From: new(uint64(1)), Term: new(uint64(5)),
		LogTerm: new(uint64(5)), Index: new(uint64(1_000_000)), Commit: new(uint64(999_999)),
	}
	for i := range o.batch {
		data := make([]byte, o.size)
		for at := range data {
			data[at] = byte(i)
		}
		entry := &raftpb.Entry{
			Term: new(uint64(5)), Index: new(uint64(1_000_001 + i)), Type: raftpb.EntryNormal.Enum(), Data: data,
		}
		m.Entries = append(m.Entries, entry)
	}
	return m
}

// heartbeatMessage is a MsgHeartbeat as a leader sends it.
func heartbeatMessage(options) message {
	return &raftpb.Message{
		Type: raftpb.MsgHeartbeat.Enum(), To: new(uint64(2)), From: new(uint64(1)), Term: new(uint64(5)),
		Commit: new(uint64(999_999)),
	}
}

func marshal(m message) ([]byte, error) { return proto.Marshal(m) }

func unmarshal(data []byte) (message, error) {
	m := &raftpb.Message{}
	return m, proto.Unmarshal(data, m)
}

func equal(a, b message) bool { return proto.Equal(a, b) }
