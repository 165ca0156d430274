package main

import (
	"io"
	"runtime"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestProcessorsAreReadAndSaid(t *testing.T) {
	var p processors
	require.NoError(t, p.Set("1"))
	require.Equal(t, "1", p.words())
	for _, wrong := range []string{"", "0", "-1", "1,", "one", strconv.Itoa(runtime.NumCPU() + 1)} {
		require.ErrorContains(t, p.Set(wrong), "want numbers from 1 to the")
	}
	require.Equal(t, "1, 2, 4 and 16", (&processors{1, 2, 4, 16}).words())
	require.ErrorContains(t, run([]string{"bound", "-procs", "many"}, io.Discard, io.Discard), `"many"`)
}
