//go:build e2e

// The clusters on which etcd's suite runs here: one member and three, with and without TLS for clients. Its own list has
// TLS for clients only together with TLS between members. This file is put into a copy of the suite's package; files are
// initialised in the order of their names, so this list replaces that one. RAFTCY_ETCD_CLUSTERS chooses some of them, by
// names with commas between them.
package common

import (
	"os"
	"strings"

	"go.etcd.io/etcd/tests/v3/framework/config"
)

func init() {
	clusterTestCases = func() []testCase {
		chosen := os.Getenv("RAFTCY_ETCD_CLUSTERS")
		var cases []testCase
		for _, tls := range []struct {
			name string
			kind config.TLSConfig
		}{{"NoTLS", config.NoTLS}, {"ClientTLS", config.ManualTLS}} {
			for _, size := range []int{1, 3} {
				name := tls.name + []string{"", " one", "", " three"}[size]
				if chosen == "" || strings.Contains(","+chosen+",", ","+name+",") {
					cases = append(cases, testCase{name, config.ClusterConfig{ClusterSize: size, ClientTLS: tls.kind}})
				}
			}
		}
		return cases
	}
}
