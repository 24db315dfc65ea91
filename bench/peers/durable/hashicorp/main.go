// hashicorp/raft with raft-wal and its TCP transport. A read is VerifyLeader, and then the local state.
package main

import (
	"io"
	"os"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"

	"raftcy/bench/peers/durable/load"
)

type fsm struct{ kv load.KV }

func (m *fsm) Apply(l *raft.Log) interface{} { return m.kv.Apply(l.Data) }
func (m *fsm) ApplyBatch(ls []*raft.Log) []interface{} {
	out := make([]interface{}, len(ls))
	for i, l := range ls {
		if l.Type == raft.LogCommand {
			out[i] = m.kv.Apply(l.Data)
		}
	}
	return out
}
func (m *fsm) Snapshot() (raft.FSMSnapshot, error) { return nil, io.EOF }
func (m *fsm) Restore(io.ReadCloser) error         { return nil }

func main() {
	f := load.Parse()
	os.MkdirAll(f.Dir, 0o755)
	lg := hclog.New(&hclog.LoggerOptions{Level: hclog.Off})
	store, err := wal.Open(f.Dir)
	if err != nil {
		panic(err)
	}
	tr, err := raft.NewTCPTransport(f.Addr(f.ID), nil, 3, 10*time.Second, io.Discard)
	if err != nil {
		panic(err)
	}
	c := raft.DefaultConfig()
	c.LocalID = raft.ServerID(f.Addr(f.ID))
	c.Logger = lg
	c.SnapshotThreshold = 1 << 40
	c.SnapshotInterval = time.Hour
	c.BatchApplyCh = true
	c.MaxAppendEntries = 1024
	if f.ID != 1 {
		c.HeartbeatTimeout = 3 * time.Second
		c.ElectionTimeout = 3 * time.Second
	}
	r, err := raft.NewRaft(c, &fsm{}, store, store, raft.NewInmemSnapshotStore(), tr)
	if err != nil {
		panic(err)
	}
	var conf raft.Configuration
	for i := 1; i <= f.Nodes; i++ {
		a := f.Addr(uint64(i))
		conf.Servers = append(conf.Servers, raft.Server{ID: raft.ServerID(a), Address: raft.ServerAddress(a)})
	}
	r.BootstrapCluster(conf)
	if f.ID != 1 {
		select {}
	}
	for r.State() != raft.Leader {
		time.Sleep(50 * time.Millisecond)
	}
	load.Run(f, func(data []byte) error { return r.Apply(data, 5*time.Second).Error() },
		func() error { return r.VerifyLeader().Error() })
}
