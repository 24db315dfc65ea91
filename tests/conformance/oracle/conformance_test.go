// Package oracle runs conformance scripts through the reference.
//
//	go test -run 'TestInteraction$' -args -dir DIR
//	go test -run 'TestInteraction$' -args -dir DIR -rewrite
package oracle

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"raftcy/oracle/internal/refenv"
	"raftcy/oracle/internal/suite"
)

var dir = flag.String("dir", "", "folder whose *.txt scripts to run, in place of the suite's own folders")

// shared is the folder of the published sets, beside the checkout or at the
// path in RAFTCY_SHARED.
var shared = sets() + "/conformance/"

func sets() string {
	if d := os.Getenv("RAFTCY_SHARED"); d != "" {
		return d
	}
	return "../../../shared"
}

// scripts runs f over the *.txt files of -dir, or of the given folders.
func scripts(t *testing.T, f func(t *testing.T, path string), dirs ...string) {
	if *dir != "" {
		dirs = []string{*dir}
	}
	n := 0
	for _, d := range dirs {
		paths, err := filepath.Glob(filepath.Join(d, "*.txt"))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range paths {
			n++
			name := filepath.Base(d) + "/" + strings.TrimSuffix(filepath.Base(p), ".txt")
			t.Run(name, func(t *testing.T) { f(t, p) })
		}
	}
	if n == 0 {
		t.Fatalf("no scripts in %v", dirs)
	}
	t.Logf("%d scripts", n)
}

func interaction(t *testing.T, path string) {
	env := refenv.New()
	datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
		return env.Handle(t, *d)
	})
}

func TestInteraction(t *testing.T) {
	scripts(t, interaction, shared+"interaction", shared+"random")
}

// TestExtended runs scripts with the commands of refenv/extended.go; it is
// TestInteraction otherwise.
func TestExtended(t *testing.T) {
	scripts(t, interaction, shared+"extended")
}

func TestConfChange(t *testing.T) {
	scripts(t, func(t *testing.T, path string) {
		s := suite.NewConfChange()
		datadriven.RunTest(t, path, s.Handle)
	}, shared+"confchange", shared+"random-confchange")
}

func TestQuorum(t *testing.T) {
	scripts(t, func(t *testing.T, path string) {
		datadriven.RunTest(t, path, suite.Quorum)
	}, shared+"quorum", shared+"random-quorum")
}

func TestFormat(t *testing.T) {
	scripts(t, func(t *testing.T, path string) {
		datadriven.RunTest(t, path, suite.Format)
	}, shared+"datadriven")
}
