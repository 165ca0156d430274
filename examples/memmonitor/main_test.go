package main

import (
	"bytes"
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestMain is the program itself where a test starts it as a process.
func TestMain(m *testing.M) {
	if os.Getenv("MEMMONITOR_CHILD") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// start starts the program as a process.
func start(t *testing.T, args ...string) (cmd *exec.Cmd, output *bytes.Buffer) {
	self, err := os.Executable()
	require.NoError(t, err)
	cmd, output = exec.Command(self, args...), new(bytes.Buffer)
	cmd.Env = append(os.Environ(), "MEMMONITOR_CHILD=1")
	cmd.Stdout, cmd.Stderr = output, output
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // if the test has not waited for it
	return cmd, output
}

// exitStatus waits for the end of cmd.
func exitStatus(t *testing.T, cmd *exec.Cmd) int {
	err := cmd.Wait()
	if err != nil {
		require.IsType(t, new(exec.ExitError), err)
	}
	return cmd.ProcessState.ExitCode()
}

// An interrupt ends a watch with its summary, its files, and a status that says whether there is a leak.
func TestExitStatusOfAnInterruptedWatch(t *testing.T) {
	for name, test := range map[string]struct {
		rss  func(int) float64
		want int
	}{
		"leaking": {leaking, exitLeak},
		"level":   {level, exitFine},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newService(test.rss)
			server := httptest.NewServer(s)
			defer server.Close()
			file := filepath.Join(t.TempDir(), "memory.json")
			cmd, output := start(t, "--url", server.URL, "--interval", "2ms", "--json", file)
			require.Eventually(t, func() bool { return s.measured() > 60 }, time.Minute, 5*time.Millisecond)
			require.NoError(t, cmd.Process.Signal(os.Interrupt))
			require.Equal(t, test.want, exitStatus(t, cmd), output)
			require.Contains(t, output.String(), "| resident memory MB |")
			require.FileExists(t, file)
		})
	}
}

func TestExitStatusOfOneMeasurement(t *testing.T) {
	server := httptest.NewServer(newService(level))
	cmd, output := start(t, "--status", "--url", server.URL)
	require.Equal(t, exitFine, exitStatus(t, cmd), output)
	require.Contains(t, output.String(), "resident memory            120.5 MB\n")
	server.Close()
	cmd, output = start(t, "--status", "--url", server.URL)
	require.Equal(t, exitNothing, exitStatus(t, cmd), output)
	require.Contains(t, output.String(), "connection refused")
	cmd, output = start(t, "--interval", "never")
	require.Equal(t, exitFlags, exitStatus(t, cmd), output)
}

func TestBadFlagsAreNamed(t *testing.T) {
	for _, test := range []struct {
		args string
		want string
	}{
		{"-interval 0", `invalid value "0" for flag -interval: want seconds, or a time as 1m30s, from 1ms to ten years`},
		{"-interval NaN", `invalid value "NaN" for flag -interval: want seconds`},
		{"-interval -5", `invalid value "-5" for flag -interval: want seconds`},
		{"-duration 1e300", `invalid value "1e300" for flag -duration: want seconds`},
		{"-duration 3651d", `invalid value "3651d" for flag -duration: want seconds`},
		{"-url localhost:8080", `invalid value "localhost:8080" for flag -url: want an address as http://localhost:8080`},
		{"-url http://x/?a=b", `invalid value "http://x/?a=b" for flag -url: want an address`},
		{"-status -duration 5", `-duration is given, want none with -status`},
		{"-json /nowhere/at/all", `-json is "/nowhere/at/all", want a file in a folder that is there`},
		{"-report /nowhere/at/all", `-report is "/nowhere/at/all", want a file in a folder that is there`},
		{"-status more", `there is an argument "more", want only flags`},
		{"-wrong", `flag provided but not defined: -wrong`},
	} {
		var problems strings.Builder
		require.Equal(t, exitFlags, run(t.Context(), strings.Fields(test.args), io.Discard, &problems), test.args)
		require.Contains(t, problems.String(), test.want)
	}
}

func TestTimesAreSecondsOrDurations(t *testing.T) {
	o, err := parseFlags(strings.Fields("--interval 30 --duration 1h30m"))
	require.NoError(t, err)
	require.Equal(t, 30*time.Second, o.interval)
	require.Equal(t, 90*time.Minute, o.duration)
	require.Equal(t, 10*time.Second, o.timeout())
	o, err = parseFlags(strings.Fields("--interval 0.5"))
	require.NoError(t, err)
	require.Equal(t, 500*time.Millisecond, o.interval)
	require.Zero(t, o.duration)
	require.Equal(t, time.Second, o.timeout())
}

func TestHelpNamesTheExitStatuses(t *testing.T) {
	var out strings.Builder
	require.Equal(t, exitFine, run(t.Context(), []string{"--help"}, &out, io.Discard))
	for _, want := range []string{"-interval", "-status", "-url", "  1  nothing could be measured", "  2  a flag is wrong", "  3  a leak was found", "go run makes 1 of"} {
		require.Contains(t, out.String(), want)
	}
}
