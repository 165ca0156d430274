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
		clients: 16, load: 8 * time.Second, warmUp: 3 * time.Second, outage: 2 * time.Second, after: 2 * time.Second,
		grown:  10, // it is warming up still
		sample: 50 * time.Millisecond, limit: "100MiB", env: []string{"WATCH_DATABASE=500ms", "QUEUE_ENTRIES=200"},
	}
	r, err := p.fire(t.Context(), t.Output())
	require.NoError(t, err)
	var out strings.Builder
	r.print(&out)
	t.Log(out.String())
	require.Empty(t, r.wrong())
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
