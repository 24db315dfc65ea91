// etcd's raft (v3.7) with etcd's own WAL (server/v3/storage/wal) over plain TCP: the loop of etcd's server, without the
// server. The leader sends before it saves, a follower after; proposals and messages that wait are taken together.
package main

import (
	"bufio"
	"encoding/binary"
	"io"
	"log"
	"math"
	"net"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"

	"raftcy/bench/peers/durable/load"
)

func check(err error) {
	if err != nil {
		log.Panic(err)
	}
}

type peer struct{ out chan *pb.Message }

func (p *peer) run(addr string, id uint64) {
	var c net.Conn
	var w *bufio.Writer
	var head [4]byte
	for m := range p.out {
		for c == nil {
			var err error
			if c, err = net.Dial("tcp", addr); err != nil {
				time.Sleep(50 * time.Millisecond)
				c = nil
			} else {
				w = bufio.NewWriterSize(c, 1<<16)
			}
		}
		b, err := proto.Marshal(m)
		check(err)
		binary.BigEndian.PutUint32(head[:], uint32(len(b)))
		w.Write(head[:])
		w.Write(b)
		if len(p.out) == 0 {
			if w.Flush() != nil {
				c = nil
			}
		}
	}
}

func serve(l net.Listener, recv chan *pb.Message) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			r := bufio.NewReaderSize(c, 1<<16)
			var head [4]byte
			for {
				if _, err := io.ReadFull(r, head[:]); err != nil {
					return
				}
				b := make([]byte, binary.BigEndian.Uint32(head[:]))
				if _, err := io.ReadFull(r, b); err != nil {
					return
				}
				m := new(pb.Message)
				check(proto.Unmarshal(b, m))
				recv <- m
			}
		}()
	}
}

type proposal struct {
	data []byte
	done chan struct{}
}

func main() {
	f := load.Parse()
	w, err := wal.Create(zap.NewNop(), f.Dir, []byte("bench"))
	check(err)
	st := raft.NewMemoryStorage()
	var ids []uint64
	for i := 1; i <= f.Nodes; i++ {
		ids = append(ids, uint64(i))
	}
	check(st.ApplySnapshot(&pb.Snapshot{Metadata: &pb.SnapshotMetadata{
		ConfState: &pb.ConfState{Voters: ids, AutoLeave: proto.Bool(false)}, Index: proto.Uint64(1), Term: proto.Uint64(1)}}))
	lg := &raft.DefaultLogger{Logger: log.New(io.Discard, "", 0)}
	n, err := raft.NewRawNode(&raft.Config{ID: f.ID, ElectionTick: 10, HeartbeatTick: 1, Storage: st, Applied: 1,
		MaxSizePerMsg: 1 << 20, MaxInflightMsgs: 512, MaxCommittedSizePerReady: math.MaxUint64, CheckQuorum: true, PreVote: true, Logger: lg})
	check(err)
	l, err := net.Listen("tcp", f.Addr(f.ID))
	check(err)
	recv := make(chan *pb.Message, 4096)
	go serve(l, recv)
	peers := map[uint64]*peer{}
	for _, id := range ids {
		if id != f.ID {
			p := &peer{out: make(chan *pb.Message, 4096)}
			peers[id] = p
			go p.run(f.Addr(id), id)
		}
	}
	propc := make(chan proposal, 4096)
	readc := make(chan chan struct{}, 4096)
	var leads atomic.Bool
	go func() {
		tick := time.NewTicker(100 * time.Millisecond)
		waiting := map[uint64]chan struct{}{}
		var kv load.KV
		ticks := 0
		var ctx uint64
		type batch struct{ who []chan struct{} }
		reads := map[uint64]*batch{}
		var next []chan struct{}
		var inflight bool
		var toRead []struct {
			index uint64
			who   []chan struct{}
		}
		var applied uint64
		// -log batch: what waits becomes one MsgProp, so one append message for each peer; etcd's server proposes one by one.
		together := f.Log == "batch"
		var ents []*pb.Entry
		take := func(p proposal) {
			waiting[binary.LittleEndian.Uint64(p.data)] = p.done
			if together {
				ents = append(ents, &pb.Entry{Data: p.data})
			} else {
				check(n.Propose(p.data))
			}
		}
		for {
			select {
			case <-tick.C:
				n.Tick()
				ticks++
				if f.ID == 1 && ticks%5 == 4 && !leads.Load() {
					n.Campaign()
				}
				if inflight && n.BasicStatus().RaftState != raft.StateLeader {
					inflight = false
				}
			case p := <-propc:
				take(p)
			case m := <-recv:
				n.Step(m)
			case r := <-readc:
				next = append(next, r)
			}
		more:
			for i := 0; i < 4096; i++ {
				select {
				case p := <-propc:
					take(p)
				case m := <-recv:
					n.Step(m)
				case r := <-readc:
					next = append(next, r)
				default:
					break more
				}
			}
			if len(ents) > 0 {
				check(n.Step(&pb.Message{Type: pb.MsgProp.Enum(), From: proto.Uint64(f.ID), Entries: ents}))
				ents = nil
			}
			if len(next) > 0 && !inflight {
				ctx++
				reads[ctx] = &batch{next}
				next = nil
				inflight = true
				var b [8]byte
				binary.LittleEndian.PutUint64(b[:], ctx)
				n.ReadIndex(b[:])
			}
			for n.HasReady() {
				rd := n.Ready()
				if rd.SoftState != nil {
					leads.Store(rd.SoftState.RaftState == raft.StateLeader)
				}
				send := func() {
					for _, m := range rd.Messages {
						if p := peers[m.GetTo()]; p != nil {
							select {
							case p.out <- m:
							default:
							}
						}
					}
				}
				isLead := leads.Load()
				if isLead {
					send()
				}
				hs := rd.HardState
				check(w.Save(hs, rd.Entries))
				if !raft.IsEmptyHardState(hs) {
					check(st.SetHardState(hs))
				}
				check(st.Append(rd.Entries))
				if !isLead {
					send()
				}
				for _, e := range rd.CommittedEntries {
					if len(e.GetData()) > 0 {
						kv.Apply(e.GetData())
						if isLead {
							k := binary.LittleEndian.Uint64(e.GetData())
							if d := waiting[k]; d != nil {
								delete(waiting, k)
								close(d)
							}
						}
					}
					applied = e.GetIndex()
				}
				for _, rs := range rd.ReadStates {
					k := binary.LittleEndian.Uint64(rs.RequestCtx)
					if b := reads[k]; b != nil {
						delete(reads, k)
						inflight = false
						toRead = append(toRead, struct {
							index uint64
							who   []chan struct{}
						}{rs.Index, b.who})
					}
				}
				for len(toRead) > 0 && toRead[0].index <= applied {
					for _, c := range toRead[0].who {
						close(c)
					}
					toRead = toRead[1:]
				}
				n.Advance(rd)
				if applied > 20000 {
					if first, _ := st.FirstIndex(); applied-first > 20000 {
						check(st.Compact(applied - 5000))
					}
				}
				if len(next) > 0 && !inflight {
					ctx++
					reads[ctx] = &batch{next}
					next = nil
					inflight = true
					var b [8]byte
					binary.LittleEndian.PutUint64(b[:], ctx)
					n.ReadIndex(b[:])
				}
			}
		}
	}()
	if f.ID != 1 {
		select {}
	}
	for !leads.Load() {
		time.Sleep(10 * time.Millisecond)
	}
	load.Run(f, func(data []byte) error {
		p := proposal{data, make(chan struct{})}
		propc <- p
		<-p.done
		return nil
	}, func() error {
		c := make(chan struct{})
		readc <- c
		<-c
		return nil
	})
}
