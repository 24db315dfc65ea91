package main

import (
	"fmt"
	"io"
	"log"
	"os"
	"runtime"
	"syscall"
	"time"

	"go.etcd.io/raft/v3"
)

var logger = &raft.DefaultLogger{Logger: log.New(io.Discard, "", 0)}

// measured is the time of a run, wall and CPU (all threads, the collector's too), and what else is worth telling.
type measured struct {
	n     int
	wall  time.Duration
	cpu   time.Duration
	extra map[string]any
}

func newMeasured(n int) *measured {
	return &measured{n: n, extra: map[string]any{}}
}

// run times the work; what was set up before is collected first.
func (m *measured) run(work func() error) error {
	runtime.GC()
	start, before := time.Now(), cpuTime()
	err := work()
	m.cpu = cpuTime() - before
	m.wall = time.Since(start)
	return err
}

// expect tells how many messages a unit took, and whether that is what every implementation sends.
func (m *measured) expect(messages, each int) error {
	m.extra["messages_per_op"] = float64(messages) / float64(m.n)
	if each >= 0 && messages != each*m.n {
		return fmt.Errorf("%d messages in %d operations instead of %d in each", messages, m.n, each)
	}
	return nil
}

func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// resident is this process's resident memory in bytes, 0 where the system does not tell.
func resident() int {
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var size, pages int
	if _, err := fmt.Sscan(string(data), &size, &pages); err != nil {
		return 0
	}
	return pages * os.Getpagesize()
}
