//go:build with_tla

package oracle

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"go.etcd.io/raft/v3"
	"raftcy/oracle/internal/refenv"
)

var traces = flag.String("traces", "", "folder that TestTrace writes to")

// traceFile writes the events of all nodes of a script, one line each.
type traceFile struct {
	t *testing.T
	f *os.File
}

func (w traceFile) TraceEvent(e *raft.TracingEvent) {
	text, err := json.Marshal(e)
	if err == nil {
		_, err = w.f.WriteString(`{"tag":"trace","event":` + string(text) + "}\n")
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// TestTrace runs interaction scripts, ours included, with tracing, and leaves
// NAME.ndjson of each NAME.txt in -traces.
//
//	go test -tags with_tla -run 'TestTrace$' -args -dir DIR -traces DIR
func TestTrace(t *testing.T) {
	scripts(t, func(t *testing.T, path string) {
		name := strings.TrimSuffix(filepath.Base(path), ".txt") + ".ndjson"
		f, err := os.Create(filepath.Join(*traces, name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		env := refenv.New()
		configure := env.Options.OnConfig
		env.Options.OnConfig = func(c *raft.Config) {
			configure(c)
			c.TraceLogger = traceFile{t, f}
		}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			return env.Handle(t, *d)
		})
	}, shared+"interaction", shared+"extended")
}
