package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestMain is the program itself where a test starts it as a process.
func TestMain(m *testing.M) {
	if os.Getenv("LEAK_CHILD") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// The real processes, at a scale for a test: one passes the limit, the other does not.
func TestBeforeLeaksAndAfterDoesNot(t *testing.T) {
	var out strings.Builder
	svg := filepath.Join(t.TempDir(), "leak.svg")
	require.NoError(t, run(t.Context(), []string{"-limit", "250MB", "-svg", svg}, &out, io.Discard))
	require.Regexp(t, `resident memory, at most +\| +2[5-9]\d MB \| +1?\d\d MB`, out.String())
	require.Regexp(t, `cached answers +\| +\d?\d,\d+ \| +500 \|`, out.String())
	require.Regexp(t, `addresses remembered +\| +\S+ \| +(\d{3}|1,000) \|`, out.String())
	drawn, err := os.ReadFile(svg)
	require.NoError(t, err)
	require.Contains(t, string(drawn), "before")
}

func TestLeakSaysWhenThereIsNone(t *testing.T) {
	err := run(t.Context(), []string{"-limit", "1GB", "-requests", "1000"}, io.Discard, io.Discard)
	require.ErrorContains(t, err, `"before" reached only`)
}

func TestBadFlags(t *testing.T) {
	for _, test := range [][]string{
		{"-limit is", "-limit", "much"}, {"-limit is", "-limit", "1kB"}, {"-requests is 0", "-requests", "0"}, {"-role is", "-role", "x"},
	} {
		require.ErrorContains(t, run(t.Context(), test[1:], io.Discard, io.Discard), test[0])
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, run(ctx, nil, io.Discard, io.Discard), context.Canceled)
}

// The same seed is the same traffic.
func TestTrafficIsSeeded(t *testing.T) {
	var a, b strings.Builder
	p := plan{limit: 1 << 40, requests: 2000, seed: 7}
	require.NoError(t, p.serve(t.Context(), "before", &a))
	require.NoError(t, p.serve(t.Context(), "before", &b))
	hits := func(s string) string { return s[strings.LastIndex(s, `"Hits"`):][:12] }
	require.Equal(t, hits(a.String()), hits(b.String()))
}
