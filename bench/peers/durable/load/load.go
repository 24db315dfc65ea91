// Package load drives one cluster from inside the leader's process: closed loops of callers, each of which proposes a
// command and waits until it is durable on a quorum and applied. All programs in Go share it.
//
// The runner (bench/durable/runner.py) starts three processes. Node 1 prints "START PHASE", begins when it reads a line,
// and then prints "END" with its figures as JSON. Every process ends when its standard input ends.
package load

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Flags are the options that every program takes.
type Flags struct {
	ID      uint64
	Nodes   int
	Port    int
	Dir     string
	Phases  string
	Seconds float64
	Settle  float64
	Size    int
	Log     string
}

var begin = make(chan struct{}, 1)

// Parse reads the options, and ends the process when its standard input ends.
func Parse() *Flags {
	f := &Flags{}
	flag.Uint64Var(&f.ID, "id", 1, "1 to nodes; node 1 leads and drives the load")
	flag.IntVar(&f.Nodes, "nodes", 3, "")
	flag.IntVar(&f.Port, "port", 21000, "node i listens at this port + i")
	flag.StringVar(&f.Dir, "dir", "", "")
	flag.StringVar(&f.Phases, "phases", "write1", "")
	flag.Float64Var(&f.Seconds, "seconds", 1, "of a phase")
	flag.Float64Var(&f.Settle, "settle", 0.5, "seconds between the election and the first phase")
	flag.IntVar(&f.Size, "size", 128, "bytes of a command")
	flag.StringVar(&f.Log, "log", "", "which log or way, where the program has several")
	flag.Parse()
	go func() {
		in := bufio.NewReader(os.Stdin)
		for {
			if _, err := in.ReadString('\n'); err != nil {
				os.Exit(0)
			}
			begin <- struct{}{}
		}
	}()
	return f
}

// Addr is the address of a node.
func (f *Flags) Addr(id uint64) string { return fmt.Sprintf("127.0.0.1:%d", f.Port+int(id)) }

type result struct {
	Phase  string  `json:"phase"`
	Ops    int     `json:"ops"`
	Secs   float64 `json:"secs"`
	PerSec float64 `json:"per_sec"`
	P50    float64 `json:"p50_us"`
	P99    float64 `json:"p99_us"`
	Errors int     `json:"errors"`
}

func data(seq uint64, size int) []byte {
	b := make([]byte, size)
	binary.LittleEndian.PutUint64(b, seq)
	binary.LittleEndian.PutUint64(b[8:], seq%1024)
	for i := 16; i < size; i++ {
		b[i] = byte(i*7) ^ byte(seq)
	}
	return b
}

// KV is the state machine of all contestants: a map of 1,024 keys to the last command, and a counter.
type KV struct {
	M     map[uint64][]byte
	Count uint64
}

// Apply keeps a command, and returns how many there are.
func (k *KV) Apply(b []byte) uint64 {
	if k.M == nil {
		k.M = map[uint64][]byte{}
	}
	k.M[binary.LittleEndian.Uint64(b[8:])] = b
	k.Count++
	return k.Count
}

func phase(name string, n int, secs float64, op func() error) {
	fmt.Println("START", name)
	<-begin
	var wg sync.WaitGroup
	lat := make([][]float64, n)
	var errs atomic.Int64
	start := time.Now()
	end := start.Add(time.Duration(secs * 1e9))
	for c := range n {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for {
				t := time.Now()
				if t.After(end) {
					return
				}
				if err := op(); err != nil {
					errs.Add(1)
					time.Sleep(time.Millisecond)
					continue
				}
				lat[c] = append(lat[c], float64(time.Since(t).Nanoseconds())/1e3)
			}
		}()
	}
	wg.Wait()
	took := time.Since(start).Seconds()
	all := slices.Concat(lat...)
	slices.Sort(all)
	r := result{Phase: name, Ops: len(all), Secs: took, PerSec: float64(len(all)) / took, Errors: int(errs.Load())}
	if len(all) > 0 {
		r.P50 = all[len(all)/2]
		r.P99 = all[len(all)*99/100]
	}
	j, _ := json.Marshal(r)
	fmt.Println("END", string(j))
}

// Run drives all phases. propose and read block until they are done.
func Run(f *Flags, propose func(data []byte) error, read func() error) {
	time.Sleep(time.Duration(f.Settle * 1e9))
	var seq atomic.Uint64
	for _, name := range strings.Split(f.Phases, ",") {
		kind := strings.TrimRight(name, "0123456789")
		n, err := strconv.Atoi(name[len(kind):])
		if err != nil || n < 1 {
			panic("no such phase: " + name)
		}
		switch kind {
		case "write":
			phase(name, n, f.Seconds, func() error { return propose(data(seq.Add(1), f.Size)) })
		case "read":
			phase(name, n, f.Seconds, read)
		default:
			panic("no such phase: " + name)
		}
	}
	fmt.Println("DONE")
	select {}
}
