// Semantics that etcd's own Go client depends on, asked of an endpoint: go run . 127.0.0.1:2379 [CA CERT KEY]
// With the files of an authority, a certificate and its key, it connects by TLS.
// Prints one line a check and "N passed, M failed"; exit status 1 if any failed. Needs etcd's Go module client/v3 only.
package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

var passed, failed int

func check(name string, ok bool, info ...any) {
	if ok {
		passed++
		fmt.Println("ok  ", name)
	} else {
		failed++
		fmt.Println("FAIL", name, fmt.Sprint(info...))
	}
}

// the code and the text of an error as they are on the wire
func wire(err error, c codes.Code, text string) bool {
	var ee rpctypes.EtcdError
	if errors.As(err, &ee) {
		return ee.Code() == c && ee.Error() == text
	}
	s, ok := status.FromError(err)
	return ok && s.Code() == c && s.Message() == text
}

// the TLS of the command line, nil without
func secured() *tls.Config {
	if len(os.Args) < 5 {
		return nil
	}
	authority, err := os.ReadFile(os.Args[2])
	if err != nil {
		panic(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(authority)
	pair, err := tls.LoadX509KeyPair(os.Args[3], os.Args[4])
	if err != nil {
		panic(err)
	}
	return &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}}
}

func main() {
	ep := os.Args[1]
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{ep}, DialTimeout: 5 * time.Second, TLS: secured(), Logger: zap.NewNop()})
	if err != nil {
		panic(err)
	}
	defer c.Close()
	p := fmt.Sprintf("check/%d/", time.Now().UnixNano())
	// --- revisions
	r1, err := c.Put(ctx, p+"a", "1")
	if err != nil {
		fmt.Println("FAIL put", err)
		os.Exit(1)
	}
	r2, _ := c.Put(ctx, p+"a", "2", clientv3.WithPrevKV())
	check("revision grows by one a put", r2.Header.Revision == r1.Header.Revision+1)
	check("prev_kv of a put", r2.PrevKv != nil && string(r2.PrevKv.Value) == "1" && r2.PrevKv.Version == 1)
	g, _ := c.Get(ctx, p+"a")
	kv := g.Kvs[0]
	check("create, mod, version", kv.CreateRevision == r1.Header.Revision && kv.ModRevision == r2.Header.Revision && kv.Version == 2)
	g, _ = c.Get(ctx, p+"a", clientv3.WithRev(r1.Header.Revision))
	check("read at an old revision", string(g.Kvs[0].Value) == "1")
	d, _ := c.Delete(ctx, p+"a")
	check("delete counts", d.Deleted == 1 && d.Header.Revision == r2.Header.Revision+1)
	d, _ = c.Delete(ctx, p+"a")
	check("a delete of nothing takes no revision", d.Deleted == 0 && d.Header.Revision == r2.Header.Revision+1)
	r3, _ := c.Put(ctx, p+"a", "3")
	g, _ = c.Get(ctx, p+"a")
	check("version starts again after a delete", g.Kvs[0].Version == 1 && g.Kvs[0].CreateRevision == r3.Header.Revision)
	// --- ranges
	for i := 0; i < 10; i++ {
		c.Put(ctx, fmt.Sprintf("%sr/%02d", p, i), fmt.Sprint(9-i))
	}
	g, _ = c.Get(ctx, p+"r/", clientv3.WithPrefix(), clientv3.WithLimit(3))
	check("limit: more, count of all", len(g.Kvs) == 3 && g.More && g.Count == 10)
	g, _ = c.Get(ctx, p+"r/", clientv3.WithPrefix(), clientv3.WithCountOnly())
	check("count_only", len(g.Kvs) == 0 && g.Count == 10)
	g, _ = c.Get(ctx, p+"r/", clientv3.WithPrefix(), clientv3.WithKeysOnly())
	check("keys_only", len(g.Kvs) == 10 && len(g.Kvs[0].Value) == 0)
	g, _ = c.Get(ctx, p+"r/", clientv3.WithPrefix(), clientv3.WithSort(clientv3.SortByValue, clientv3.SortDescend), clientv3.WithLimit(2))
	check("sort by value, descending, limited", string(g.Kvs[0].Value) == "9" && string(g.Kvs[1].Value) == "8" && g.More)
	g, _ = c.Get(ctx, p+"r/", clientv3.WithPrefix(), clientv3.WithMinModRev(r3.Header.Revision+9))
	check("min_mod_revision", len(g.Kvs) == 2, len(g.Kvs))
	g, _ = c.Get(ctx, p+"r/05", clientv3.WithFromKey(), clientv3.WithSerializable(), clientv3.WithLimit(1))
	check("from key, serializable", string(g.Kvs[0].Key) == p+"r/05")
	// --- transactions
	t, err := c.Txn(ctx).If(clientv3.Compare(clientv3.Value(p+"r/00"), "=", "9"), clientv3.Compare(clientv3.Version(p+"none"), "=", 0)).
		Then(clientv3.OpPut(p+"t", "x"), clientv3.OpGet(p+"t"), clientv3.OpTxn([]clientv3.Cmp{clientv3.Compare(clientv3.CreateRevision(p+"t"), ">", 0)},
			nil, []clientv3.Op{clientv3.OpDelete(p + "r/09")})).Commit()
	// all compares, those of nested transactions too, are made before the first write; reads see what was written before them
	check("nested txn: compares first, reads see writes", err == nil && t.Succeeded && string(t.Responses[1].GetResponseRange().Kvs[0].Value) == "x" &&
		!t.Responses[2].GetResponseTxn().Succeeded && t.Responses[2].GetResponseTxn().Responses[0].GetResponseDeleteRange().Deleted == 1, err)
	t, err = c.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(p+"r/").WithPrefix(), "<", 1)).Then().Else(clientv3.OpGet(p + "t")).Commit()
	check("compare over a range", err == nil && !t.Succeeded && len(t.Responses) == 1, err)
	_, err = c.Txn(ctx).Then(clientv3.OpPut(p+"t", "1"), clientv3.OpPut(p+"t", "2")).Commit()
	check("duplicate key in txn", wire(err, codes.InvalidArgument, "etcdserver: duplicate key given in txn request"), err)
	var many []clientv3.Op
	for i := 0; i < 129; i++ {
		many = append(many, clientv3.OpGet(p+"t"))
	}
	_, err = c.Txn(ctx).Then(many...).Commit()
	check("too many operations", wire(err, codes.InvalidArgument, "etcdserver: too many operations in txn request"), err)
	_, err = c.Put(ctx, "", "x")
	check("empty key", wire(err, codes.InvalidArgument, "etcdserver: key is not provided"), err)
	_, err = c.Put(ctx, p+"none", "", clientv3.WithIgnoreValue())
	check("ignore_value of no key", wire(err, codes.InvalidArgument, "etcdserver: key not found"), err)
	_, err = c.Put(ctx, p+"big", strings.Repeat("x", 1600*1024))
	check("too large", wire(err, codes.InvalidArgument, "etcdserver: request is too large"), err)
	_, err = c.Put(ctx, p+"x", "x", clientv3.WithLease(4242))
	check("put with an unknown lease", wire(err, codes.NotFound, "etcdserver: requested lease not found"), err)
	g, _ = c.Get(ctx, p+"t")
	rev := g.Header.Revision
	_, err = c.Get(ctx, p+"t", clientv3.WithRev(rev+100))
	check("future revision", wire(err, codes.OutOfRange, "etcdserver: mvcc: required revision is a future revision"), err)
	// --- watches
	wctx, wcancel := context.WithCancel(ctx)
	w := c.Watch(wctx, p, clientv3.WithPrefix(), clientv3.WithRev(r1.Header.Revision), clientv3.WithPrevKV(), clientv3.WithCreatedNotify())
	first := <-w
	check("created", first.Created)
	var evs []*clientv3.Event
	for len(evs) < 4 {
		x, ok := <-w
		if !ok || x.Err() != nil {
			break
		}
		evs = append(evs, x.Events...)
	}
	check("history is sent in order", len(evs) >= 4 && evs[0].IsCreate() && evs[1].IsModify() && string(evs[1].PrevKv.Value) == "1" && evs[2].Type == clientv3.EventTypeDelete && evs[3].IsCreate())
	wcancel()
	w = c.Watch(ctx, p+"w/", clientv3.WithPrefix(), clientv3.WithFilterPut())
	time.Sleep(200 * time.Millisecond)
	c.Put(ctx, p+"w/1", "1")
	c.Delete(ctx, p+"w/1")
	x := <-w
	check("filter of puts", len(x.Events) == 1 && x.Events[0].Type == clientv3.EventTypeDelete)
	c.Txn(ctx).Then(clientv3.OpPut(p+"w/a", "1"), clientv3.OpPut(p+"w/b", "1")).Commit()
	t, _ = c.Txn(ctx).Then(clientv3.OpDelete(p+"w/a"), clientv3.OpDelete(p+"w/b")).Commit()
	x = <-w
	check("the events of a txn come together", len(x.Events) == 2 && x.Events[0].Kv.ModRevision == t.Header.Revision && x.Header.Revision >= t.Header.Revision)
	c.RequestProgress(ctx)
	select {
	case x = <-w:
		check("progress on request", x.IsProgressNotify() && x.Header.Revision >= t.Header.Revision)
	case <-time.After(3 * time.Second):
		check("progress on request", false, "none in 3 s")
	}
	// --- compaction
	_, err = c.Compact(ctx, r2.Header.Revision)
	check("compact", err == nil, err)
	_, err = c.Compact(ctx, r2.Header.Revision)
	check("compact again", wire(err, codes.OutOfRange, "etcdserver: mvcc: required revision has been compacted"), err)
	_, err = c.Get(ctx, p+"a", clientv3.WithRev(r1.Header.Revision))
	check("read of a compacted revision", wire(err, codes.OutOfRange, "etcdserver: mvcc: required revision has been compacted"), err)
	w = c.Watch(ctx, p, clientv3.WithPrefix(), clientv3.WithRev(1))
	x = <-w
	check("watch of a compacted revision", x.Canceled && x.CompactRevision == r2.Header.Revision && errors.Is(x.Err(), rpctypes.ErrCompacted), x.Err())
	// --- leases
	l, err := c.Grant(ctx, 1)
	check("grant", err == nil && l.TTL >= 1, err)
	c.Put(ctx, p+"l/1", "x", clientv3.WithLease(l.ID))
	c.Put(ctx, p+"l/2", "x", clientv3.WithLease(l.ID))
	ttl, _ := c.TimeToLive(ctx, l.ID, clientv3.WithAttachedKeys())
	check("time to live, attached keys", ttl != nil && len(ttl.Keys) == 2 && ttl.GrantedTTL == l.TTL)
	lw := c.Watch(ctx, p+"l/", clientv3.WithPrefix())
	began := time.Now()
	x = <-lw
	took := time.Since(began)
	check("expiry deletes all keys in one revision", len(x.Events) == 2 && x.Events[0].Kv.ModRevision == x.Events[1].Kv.ModRevision, len(x.Events))
	check("expiry is not early and at most 3 s late", took > 500*time.Millisecond && took < time.Duration(l.TTL)*time.Second+3*time.Second, took)
	_, err = c.KeepAliveOnce(ctx, l.ID)
	check("keep-alive of an expired lease", errors.Is(err, rpctypes.ErrLeaseNotFound), err)
	ttl, _ = c.TimeToLive(ctx, l.ID)
	check("time to live of an expired lease is -1", ttl != nil && ttl.TTL == -1)
	_, err = c.Revoke(ctx, l.ID)
	check("revoke of an expired lease", wire(err, codes.NotFound, "etcdserver: requested lease not found"), err)
	l, _ = c.Grant(ctx, 30)
	_, err = pb.NewLeaseClient(dial(ep)).LeaseGrant(ctx, &pb.LeaseGrantRequest{ID: int64(l.ID), TTL: 5})
	check("grant of a taken ID", wire(err, codes.FailedPrecondition, "etcdserver: lease already exists"), err)
	c.Revoke(ctx, l.ID)
	// --- concurrency recipes (client side: txn, lease, watch)
	s, err := concurrency.NewSession(c, concurrency.WithTTL(5))
	if err == nil {
		mu := concurrency.NewMutex(s, p+"lock")
		check("mutex", mu.Lock(ctx) == nil && mu.Unlock(ctx) == nil)
		e := concurrency.NewElection(s, p+"elect")
		check("election", e.Campaign(ctx, "me") == nil)
		ld, err := e.Leader(ctx)
		check("leader", err == nil && string(ld.Kvs[0].Value) == "me")
		e.Resign(ctx)
		s.Close()
	} else {
		check("session", false, err)
	}
	// --- cluster, maintenance
	ml, err := c.MemberList(ctx)
	check("member list", err == nil && len(ml.Members) >= 1 && ml.Members[0].ID != 0 && len(ml.Members[0].ClientURLs) > 0, err)
	st, err := c.Status(ctx, ep)
	check("status", err == nil && st.Version != "" && st.Leader != 0 && st.RaftTerm > 0 && st.RaftIndex > 0 && st.DbSize > 0, err)
	h1, err := c.HashKV(ctx, ep, 0)
	h2, _ := c.HashKV(ctx, ep, 0)
	check("hashkv is stable", err == nil && h1.Hash == h2.Hash && h1.CompactRevision == r2.Header.Revision, err)
	_, err = c.Defragment(ctx, ep)
	check("defragment", err == nil, err)
	al, err := c.AlarmList(ctx)
	check("no alarm", err == nil && len(al.Alarms) == 0, err)
	rd, err := c.Snapshot(ctx)
	var n int64
	if err == nil {
		var buf bytes.Buffer
		n, err = io.Copy(&buf, rd)
	}
	check("snapshot stream", err == nil && n > 32, err, n)
	_, err = c.MemberPromote(ctx, ml.Members[0].ID)
	check("promote of a voter", wire(err, codes.FailedPrecondition, "etcdserver: can only promote a learner member"), err)
	_, err = c.MemberRemove(ctx, 4242)
	check("remove of nobody", wire(err, codes.NotFound, "etcdserver: member not found"), err)
	_, err = c.AuthEnable(ctx)
	check("auth enable without root", wire(err, codes.FailedPrecondition, "etcdserver: root user does not exist"), err)
	_, err = c.Authenticate(ctx, "a", "b")
	check("authenticate without auth", wire(err, codes.FailedPrecondition, "etcdserver: authentication is not enabled"), err)
	fmt.Printf("%d passed, %d failed\n", passed, failed)
	if failed > 0 {
		os.Exit(1)
	}
}

func dial(ep string) *grpc.ClientConn {
	how := insecure.NewCredentials()
	if config := secured(); config != nil {
		how = credentials.NewTLS(config)
	}
	cc, err := grpc.NewClient(ep, grpc.WithTransportCredentials(how))
	if err != nil {
		panic(err)
	}
	return cc
}
