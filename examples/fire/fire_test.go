package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTheFinderUnderFire(t *testing.T) {
	p := plan{
		clients: 16, warmUp: 3 * time.Second, load: 5 * time.Second, outage: 2 * time.Second, after: 2 * time.Second,
		sample: 50 * time.Millisecond, limit: "100MiB", env: []string{"WATCH_DATABASE=500ms", "QUEUE_ENTRIES=200"},
	}
	r, err := p.fire(t.Context(), t.Output())
	require.NoError(t, err)
	var out strings.Builder
	r.print(&out)
	t.Log(out.String())
	require.Empty(t, r.wrong())
	require.NotContains(t, out.String(), "kept     the resident memory", "it has not been watched for long enough to be judged")
	peak, _ := most(r.samples, resident)
	require.Less(t, peak, 100e6, "GOMEMLIMIT, and the program's own pages")
	svg := filepath.Join(t.TempDir(), "fire.svg")
	require.NoError(t, r.draw(svg))
	drawn, err := os.ReadFile(svg)
	require.NoError(t, err)
	require.Contains(t, string(drawn), "live heap")
	for k, seen := range r.seen {
		require.NotZero(t, seen.statuses[2]+seen.statuses[3]+seen.statuses[4], kindNames[k])
	}
	require.NotEmpty(t, r.storm.promised)
	waited, _ := most(r.samples, waiting)
	require.NotZero(t, waited, "the database was away, and nobody noticed")
}
