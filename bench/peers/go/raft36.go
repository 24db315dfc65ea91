//go:build raft36

package main

import (
	"reflect"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

type message = raftpb.Message

func receiver(m message) uint64 { return m.To }

func committed(status raft.BasicStatus) uint64 { return status.Commit }

func saveHardState(storage *raft.MemoryStorage, rd raft.Ready) error {
	if raft.IsEmptyHardState(rd.HardState) {
		return nil
	}
	return storage.SetHardState(rd.HardState)
}

// applyChange applies a configuration change; false for any other entry.
func applyChange(node raft.Node, e raftpb.Entry) (bool, error) {
	if e.Type != raftpb.EntryConfChange {
		return false, nil
	}
	var change raftpb.ConfChange
	if err := change.Unmarshal(e.Data); err != nil {
		return true, err
	}
	node.ApplyConfChange(change)
	return true, nil
}

func membersSnapshot(voters []uint64) raftpb.Snapshot {
	return raftpb.Snapshot{Metadata: raftpb.SnapshotMetadata{
		ConfState: raftpb.ConfState{Voters: voters}, Index: first, Term: 1,
	}}
}

// appendMessage is a MsgApp as a leader sends it.
func appendMessage(o options) message {
	m := raftpb.Message{
		Type: raftpb.MsgApp, To: 2, From: 1, Term: 5, LogTerm: 5, Index: 1_000_000, Commit: 999_999,
	}
	for i := range o.batch {
		data := make([]byte, o.size)
		for at := range data {
			data[at] = byte(i)
		}
		m.Entries = append(m.Entries, raftpb.Entry{Term: 5, Index: uint64(1_000_001 + i), Data: data})
	}
	return m
}

// heartbeatMessage is a MsgHeartbeat as a leader sends it.
func heartbeatMessage(options) message {
	return raftpb.Message{Type: raftpb.MsgHeartbeat, To: 2, From: 1, Term: 5, Commit: 999_999}
}

func marshal(m message) ([]byte, error) { return m.Marshal() }

func unmarshal(data []byte) (message, error) {
	var m message
	err := m.Unmarshal(data)
	return m, err
}

func equal(a, b message) bool { return reflect.DeepEqual(a, b) }
