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

// measured is a run's wall and CPU time (all threads, including the collector's), and further results.
type measured struct {
	n     int
	wall  time.Duration
	cpu   time.Duration
	extra map[string]any
}

func newMeasured(n int) *measured {
	return &measured{n: n, extra: map[string]any{}}
}

// run times the work, after collecting the garbage of the set-up.
func (m *measured) run(work func() error) error {
	runtime.GC()
	start, before := time.Now(), cpuTime()
	err := work()
	m.cpu = cpuTime() - before
	m.wall = time.Since(start)
	return err
}

// expect reports the messages per unit, and whether every implementation sends that many.
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

// resident is this process's resident memory in bytes, 0 if the system does not report it.
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
