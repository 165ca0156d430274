// Package deploy holds what takes the finder to where it is served, and the tests of that.
package deploy

import (
	"bufio"
	"encoding/json"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func read(t *testing.T, name string) string {
	b, err := os.ReadFile(name)
	require.NoError(t, err)
	return string(b)
}

// instructions returns the arguments of the instructions of that name, each as one line.
func instructions(t *testing.T, name string) (list []string) {
	for _, m := range regexp.MustCompile(`(?m)^`+name+` (.*)$`).FindAllStringSubmatch(read(t, "Containerfile"), -1) {
		list = append(list, m[1])
	}
	require.NotEmpty(t, list, name)
	return list
}

// The program that the container file builds needs nothing beside itself: it runs as nobody in a root with an
// empty /tmp, with the variables of the file, and ends on its signal. It starts with its database away.
func TestTheProgramRunsAlone(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("chroot takes root")
	}
	root := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(root), 0o755)) // nobody must be let through
	require.NoError(t, os.Chmod(root, 0o755))
	require.NoError(t, os.Mkdir(filepath.Join(root, "tmp"), 0o755))
	require.NoError(t, os.Chown(filepath.Join(root, "tmp"), 65532, 65532))

	var line string
	for _, run := range instructions(t, "RUN") {
		if strings.Contains(run, "go build") {
			line = strings.ReplaceAll(run, "-o /finder", "-o "+filepath.Join(root, "finder"))
		}
	}
	build := exec.Command("sh", "-c", line)
	build.Dir = "../../.." // the root of the repository, as the file has it
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))

	command := exec.Command("/finder")
	command.Dir = "/"
	command.Env = []string{
		"DATABASE_URL=postgres://finder:a-word-of-its-own@127.0.0.1:1/finder", "DATABASE_CONNECT_TIMEOUT=100ms",
		"SECRET_KEY=vBIyQ3rrSyPWc7zDkYhM0mRb5Gd1Xo9T", "ADMIN_USERNAME=sexton", "ADMIN_PASSWORD=9vKpL2wQzR",
	}
	for _, variables := range instructions(t, "ENV") {
		command.Env = append(command.Env, strings.Fields(variables)...)
	}
	command.Env = append(command.Env, "PORT=0", "ADDR=127.0.0.1") // the last ones count
	command.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: 65532, Gid: 65532}}
	stdout, err := command.StdoutPipe()
	require.NoError(t, err)
	var stderr strings.Builder
	command.Stderr = &stderr
	require.NoError(t, command.Start())
	t.Cleanup(func() { _ = command.Process.Kill() }) // if the test has not waited for it

	base := ""
	lines := bufio.NewReader(stdout)
	for base == "" {
		line, err := lines.ReadString('\n')
		if err != nil {
			require.NoError(t, command.Wait(), stderr.String())
		}
		if rest, ok := strings.CutPrefix(line, "Ready: "); ok {
			base = strings.Fields(rest)[0]
		}
	}
	client := &http.Client{Timeout: time.Minute}
	response, err := client.Get(base + "/api/health")
	require.NoError(t, err)
	defer response.Body.Close()
	require.Equal(t, http.StatusOK, response.StatusCode)
	var health struct{ Status, Database string }
	require.NoError(t, json.NewDecoder(response.Body).Decode(&health))
	require.Equal(t, "disconnected", health.Database)
	profiles, err := filepath.Glob(filepath.Join(root, "tmp", "finder-profiles*"))
	require.NoError(t, err)
	require.Len(t, profiles, 1)

	require.NoError(t, command.Process.Signal(syscall.SIGTERM))
	for err == nil {
		_, err = lines.ReadString('\n')
	}
	require.NoError(t, command.Wait(), stderr.String())
}

// The variables of the blueprint and of the container file are those that the README knows.
func TestAllVariablesAreKnown(t *testing.T) {
	known := read(t, "../README.md")
	var names []string
	for _, m := range regexp.MustCompile(`- key: (\w+)`).FindAllStringSubmatch(read(t, "render.yaml"), -1) {
		names = append(names, m[1])
	}
	require.Contains(t, names, "DATABASE_URL")
	for _, variables := range instructions(t, "ENV") {
		for _, variable := range strings.Fields(variables) {
			name, value, ok := strings.Cut(variable, "=")
			require.True(t, ok)
			require.NotEmpty(t, value)
			names = append(names, name)
		}
	}
	for _, name := range names {
		require.Contains(t, known, "`"+name+"`")
	}
	for _, required := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\|[^|]*\\| \\*").FindAllStringSubmatch(known, -1) {
		require.Contains(t, names, required[1], "production needs it")
	}
	require.Contains(t, read(t, "render.yaml"), "dockerfilePath: examples/finder/deploy/Containerfile")
}

// The proxies of the blueprint are prefixes.
func TestTheProxiesArePrefixes(t *testing.T) {
	m := regexp.MustCompile(`(?s)key: TRUSTED_PROXIES\s+value: "([^"]*)"`).FindStringSubmatch(read(t, "render.yaml"))
	require.NotNil(t, m)
	list := strings.Split(regexp.MustCompile(`\\\s+`).ReplaceAllString(m[1], ""), ",")
	require.Greater(t, len(list), 20)
	for _, prefix := range list {
		p, err := netip.ParsePrefix(prefix)
		require.NoError(t, err)
		require.Equal(t, p.Masked(), p)
	}
}
