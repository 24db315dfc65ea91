// dragonboat v4: a NodeHost in each process, with its log (pebble, or with -log tan its own) and its TCP transport.
package main

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/lni/dragonboat/v4"
	"github.com/lni/dragonboat/v4/config"
	"github.com/lni/dragonboat/v4/logger"
	"github.com/lni/dragonboat/v4/plugin/tan"
	sm "github.com/lni/dragonboat/v4/statemachine"

	"raftcy/bench/peers/durable/load"
)

const shard = 1

var loggers = []string{
	"raft", "rsm", "transport", "dragonboat", "logdb", "raftpb", "config", "grpc", "settings", "order", "utils", "tan",
	"registry", "server",
}

type machine struct{ kv load.KV }

func (m *machine) Update(e sm.Entry) (sm.Result, error) {
	b := make([]byte, len(e.Cmd))
	copy(b, e.Cmd)
	return sm.Result{Value: m.kv.Apply(b)}, nil
}

func (m *machine) Lookup(q interface{}) (interface{}, error) { return m.kv.M[q.(uint64)], nil }

func (m *machine) SaveSnapshot(w io.Writer, _ sm.ISnapshotFileCollection, _ <-chan struct{}) error {
	_, err := w.Write([]byte{0})
	return err
}

func (m *machine) RecoverFromSnapshot(io.Reader, []sm.SnapshotFile, <-chan struct{}) error {
	return nil
}

func (m *machine) Close() error { return nil }

func lead(nh *dragonboat.NodeHost) {
	deadline := time.Now().Add(30 * time.Second)
	for {
		leader, _, valid, err := nh.GetLeaderID(shard)
		if err == nil && valid {
			if leader == 1 {
				return
			}
			nh.RequestLeaderTransfer(shard, 1)
		}
		if time.Now().After(deadline) {
			panic("node 1 does not lead")
		}
		time.Sleep(200 * time.Millisecond)
	}
}

func main() {
	f := load.Parse()
	for _, l := range loggers {
		logger.GetLogger(l).SetLevel(logger.ERROR)
	}
	c := config.NodeHostConfig{NodeHostDir: f.Dir, WALDir: f.Dir, RTTMillisecond: 100, RaftAddress: f.Addr(f.ID)}
	if f.Log == "tan" {
		c.Expert.LogDB = config.GetTinyMemLogDBConfig()
		c.Expert.LogDBFactory = tan.Factory
	}
	nh, err := dragonboat.NewNodeHost(c)
	if err != nil {
		panic(err)
	}
	members := map[uint64]dragonboat.Target{}
	for i := uint64(1); i <= uint64(f.Nodes); i++ {
		members[i] = f.Addr(i)
	}
	err = nh.StartReplica(members, false, func(uint64, uint64) sm.IStateMachine { return &machine{} }, config.Config{
		ReplicaID: f.ID, ShardID: shard, ElectionRTT: 10, HeartbeatRTT: 1, CheckQuorum: true, PreVote: true,
	})
	if err != nil {
		panic(err)
	}
	if f.ID != 1 {
		select {}
	}
	lead(nh)
	s := nh.GetNoOPSession(shard)
	load.Run(f, func(data []byte) error {
		for {
			rs, err := nh.Propose(s, data, 5*time.Second)
			if errors.Is(err, dragonboat.ErrSystemBusy) {
				time.Sleep(100 * time.Microsecond)
				continue
			}
			if err != nil {
				return err
			}
			r := <-rs.ResultC()
			rs.Release()
			if !r.Completed() {
				return errors.New("not completed")
			}
			return nil
		}
	}, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_, err := nh.SyncRead(ctx, shard, uint64(5))
		return err
	})
}
