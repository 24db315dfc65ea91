// The workloads of raftcy's benchmark on etcd's raft: one run per process, one line of JSON.
//
// One source for two releases: go.mod has v3.7.0, go36.mod v3.6.0 (with the tag raft36); raft37.go and raft36.go hold
// the differences.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"go.etcd.io/raft/v3"
)

// options are the command line's options, with the workload's defaults filled in.
type options struct {
	n, nodes, size, batch, groups int
}

// workload is what to run, the defaults of its options, and its options besides --n and --seed.
type workload struct {
	defaults options
	takes    string
	run      func(options) (*measured, error)
}

var workloads = map[string]workload{
	"replicate1":      {options{n: 20_000, nodes: 3, batch: 1, size: 128}, "nodes batch size", replicate},
	"batch":           {options{n: 64_000, nodes: 3, batch: 64, size: 128}, "nodes batch size", replicate},
	"big":             {options{n: 16_000, nodes: 3, batch: 16, size: 4096}, "nodes batch size", replicate},
	"single":          {options{n: 50_000, nodes: 1, batch: 1, size: 128}, "nodes batch size", replicate},
	"five":            {options{n: 32_000, nodes: 5, batch: 64, size: 128}, "nodes batch size", replicate},
	"readindex":       {options{n: 20_000, nodes: 3}, "nodes", readIndex},
	"ticks":           {options{n: 50_000}, "groups", ticks},
	"election":        {options{n: 5_000, nodes: 3}, "nodes", election},
	"transfer":        {options{n: 5_000, nodes: 3}, "nodes", transfer},
	"codec_encode":    {options{n: 50_000, batch: 64, size: 128}, "batch size", encode(appendMessage)},
	"codec_decode":    {options{n: 50_000, batch: 64, size: 128}, "batch size", decode(appendMessage)},
	"codec_encode_hb": {options{n: 500_000}, "", encode(heartbeatMessage)},
	"codec_decode_hb": {options{n: 500_000}, "", decode(heartbeatMessage)},
	"quorum":          {options{n: 500_000, nodes: 3}, "nodes", quorum},
	"node":            {options{n: 50_000, nodes: 1, size: 128}, "size", channelNodes},
	"node3":           {options{n: 20_000, nodes: 3, size: 128}, "size", channelNodes},
}

func names() string {
	var all []string
	for name := range workloads {
		all = append(all, name)
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// parse reads the command line: a workload, then its options.
func parse(args []string) (string, options, error) {
	if len(args) == 0 || strings.HasPrefix(args[0], "-") {
		return "", options{}, fmt.Errorf("name a workload first, of: %s", names())
	}
	name := args[0]
	w, ok := workloads[name]
	if !ok {
		return "", options{}, fmt.Errorf("no such workload: %s; there are: %s", name, names())
	}
	o := w.defaults
	o.groups = 1_000
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	given := map[string]*int{"n": &o.n, "nodes": &o.nodes, "size": &o.size, "batch": &o.batch, "groups": &o.groups}
	for option, value := range given {
		flags.IntVar(value, option, *value, "")
	}
	flags.Int("seed", 1, "") // taken for the sake of a common command line: etcd's raft draws from its own source
	if err := flags.Parse(args[1:]); err != nil {
		return "", options{}, err
	}
	if flags.NArg() > 0 {
		return "", options{}, fmt.Errorf("unexpected argument: %s", flags.Arg(0))
	}
	var wrong error
	takes := append([]string{"n", "seed"}, strings.Fields(w.takes)...)
	flags.Visit(func(f *flag.Flag) {
		if !slices.Contains(takes, f.Name) {
			wrong = fmt.Errorf("%s does nothing with --%s; it takes --%s", name, f.Name, strings.Join(takes, ", --"))
		} else if value, ok := given[f.Name]; ok && *value <= 0 {
			wrong = fmt.Errorf("--%s must be greater than 0", f.Name)
		}
	})
	return name, o, wrong
}

// version is the version of the raft module in this program.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range info.Deps {
			if module.Path == "go.etcd.io/raft/v3" {
				return module.Version
			}
		}
	}
	return "unknown"
}

func fail(status int, err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(status)
}

func main() {
	name, o, err := parse(os.Args[1:])
	if err != nil {
		fail(2, err)
	}
	raft.SetLogger(logger)
	out, err := workloads[name].run(o)
	if err != nil {
		fail(1, err)
	}
	out.extra["cpu_us_per_op"] = out.cpu.Seconds() / float64(out.n) * 1e6
	line, err := json.Marshal(struct {
		Peer       string         `json:"peer"`
		Version    string         `json:"version"`
		Build      string         `json:"build"`
		Loop       string         `json:"loop"`
		Workload   string         `json:"workload"`
		N          int            `json:"n"`
		Seconds    float64        `json:"seconds"`
		CPUSeconds float64        `json:"cpu_seconds"`
		PerSec     float64        `json:"per_sec"`
		Extra      map[string]any `json:"extra"`
	}{
		"etcd", version(), runtime.Version(), "compiled", name, out.n,
		out.wall.Seconds(), out.cpu.Seconds(), float64(out.n) / out.wall.Seconds(), out.extra,
	})
	if err != nil {
		fail(1, err)
	}
	fmt.Println(string(line))
}
