package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// TestMain makes the test binary the finder itself when a test runs it as a process of its own.
func TestMain(m *testing.M) {
	if os.Getenv("FINDER_TEST_PROCESS") != "" {
		main()
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

const password = "correct horse battery"

// A visitor is a browser of a finder that runs inside the test.
type visitor struct {
	*http.Client
	t    *testing.T
	base string
	stop func() // ends the finder, as the end of the test does
}

// start runs the finder on a free port with a new database until the test ends.
func start(t *testing.T) *visitor {
	return startWith(t, filepath.Join(t.TempDir(), "finder.db"))
}

// startWith is start with the database of that path.
func startWith(t *testing.T, database string) *visitor {
	t.Setenv("PORT", "0")
	t.Setenv("ADDR", "127.0.0.1")
	t.Setenv("FINDER_DATABASE", database)
	t.Setenv("ADMIN_PASSWORD", password)
	t.Setenv("PROFILES_DIR", t.TempDir())
	ctx, cancel := context.WithCancel(context.Background())
	out, in := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, in, slog.New(slog.DiscardHandler))
		in.Close()
	}()
	lines := bufio.NewReader(out)
	base := ready(t, lines)
	drained := make(chan struct{})
	go func() { defer close(drained); _, _ = io.Copy(io.Discard, lines) }()

	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	transport := &http.Transport{}
	stop := sync.OnceFunc(func() {
		transport.CloseIdleConnections()
		cancel()
		require.NoError(t, <-ended)
		<-drained
	})
	t.Cleanup(stop)
	return &visitor{&http.Client{Transport: transport, Jar: jar}, t, base, stop}
}

// ready returns the address that the finder prints.
func ready(t *testing.T, lines *bufio.Reader) string {
	for {
		line, err := lines.ReadString('\n')
		require.NoError(t, err, "the finder ended before it was ready")
		if rest, ok := strings.CutPrefix(line, "Ready: "); ok {
			return strings.Fields(rest)[0]
		}
	}
}

// get and post return the answer's status, header and body.
func (v *visitor) get(path string) (*http.Response, string) {
	v.t.Helper()
	return v.read(v.Get(v.base + path))
}

func (v *visitor) post(path string, form url.Values) (*http.Response, string) {
	v.t.Helper()
	return v.read(v.PostForm(v.base+path, form))
}

func (v *visitor) read(response *http.Response, err error) (*http.Response, string) {
	v.t.Helper()
	require.NoError(v.t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(v.t, err)
	return response, string(body)
}

func (v *visitor) signIn() {
	v.t.Helper()
	response, body := v.post("/admin/sign-in", url.Values{"user": {"admin"}, "password": {password}})
	require.Equal(v.t, "/admin", response.Request.URL.Path, body)
}

func TestQuizAndAPIAgree(t *testing.T) {
	v := start(t)
	response, body := v.get("/")
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Equal(t, 5, strings.Count(body, "<fieldset"))
	require.NotContains(t, body, "<script")
	require.NotContains(t, body, "style=")
	require.Contains(t, response.Header.Get("Content-Security-Policy"), "default-src 'none'")

	form := url.Values{"age": {"adult"}, "gender": {"female"}, "interest": {"music", "prayer"}}
	response, body = v.post("/results", form)
	require.Equal(t, "/results", response.Request.URL.Path)
	require.Equal(t, http.MethodGet, response.Request.Method, "so that reloading sends nothing twice")

	api, text := v.read(v.Post(v.base+"/api/match", "application/json", strings.NewReader(`{"age":"adult","gender":"female","interest":["prayer","music"]}`)))
	require.Equal(t, http.StatusOK, api.StatusCode)
	var answer struct {
		Count      int
		Ministries []struct{ Name, Category string }
	}
	require.NoError(t, json.Unmarshal([]byte(text), &answer))
	require.NotZero(t, answer.Count)
	require.Equal(t, answer.Count, strings.Count(body, "<article"))
	require.Contains(t, body, "<h3>"+strings.ReplaceAll(answer.Ministries[0].Name, "'", "&#39;")+"</h3>")

	_, status := v.get("/api/memory-status")
	var memory struct {
		Cache struct {
			Entries    int     `json:"cache_size"`
			MaxEntries int     `json:"max_cache_size"`
			MaxMB      float64 `json:"max_memory_mb"`
		}
	}
	require.NoError(t, json.Unmarshal([]byte(status), &memory))
	require.Equal(t, 1, memory.Cache.Entries, "page and API share the match")
	require.Equal(t, 500, memory.Cache.MaxEntries)
	require.Equal(t, 50.0, memory.Cache.MaxMB)
}

func TestWrongAnswersAreExplained(t *testing.T) {
	v := start(t)
	response, body := v.post("/results", url.Values{"gender": {"female"}, "interest": {"music"}})
	require.Equal(t, http.StatusUnprocessableEntity, response.StatusCode)
	require.Contains(t, body, "Please choose one answer.")
	require.Contains(t, body, `value="music" checked`, "what was chosen stays")

	// An address of results that was cut, or has an answer that there is no longer, leads to the questions.
	for query, want := range map[string]string{
		"?age=17&gender=female&interest=music": "This answer is not one of those below.", "?gender=female&interest=music": "Please choose one answer.",
		"?age=adult&age=senior&interest=music": "This answer is not one of those below.",
	} {
		response, body = v.get("/results" + query)
		require.Equal(t, http.StatusUnprocessableEntity, response.StatusCode)
		require.Contains(t, body, want)
		require.Contains(t, body, `value="music" checked`, query)
	}

	for _, test := range []struct{ body, field string }{
		{`{"age":"17"}`, `"field": "age"`},
		{`{"age":"adult","gender":"female","interest":"music"}`, `"field": "interest"`},
		{`{"colour":"blue"}`, `"field": "colour"`},
		{`{`, `"field": "body"`},
	} {
		response, body := v.read(v.Post(v.base+"/api/match", "application/json", strings.NewReader(test.body)))
		require.Equal(t, http.StatusBadRequest, response.StatusCode)
		require.Contains(t, body, test.field)
	}
	response, _ = v.read(v.Post(v.base+"/api/match", "application/json", strings.NewReader(`{"age":"`+strings.Repeat("a", 1<<20)+`"}`)))
	require.Equal(t, http.StatusRequestEntityTooLarge, response.StatusCode)
}

func TestAChangedMinistryShowsAtOnce(t *testing.T) {
	v := start(t)
	const results = "/results?age=adult&gender=female&interest=music"
	_, body := v.get(results)
	require.Contains(t, body, "Cantors and organists")

	v.signIn()
	_, form := v.get("/admin/ministries/cantors")
	require.Contains(t, form, "Cantors and organists")
	change := url.Values{
		"name": {"Voices"}, "category": {"Music"}, "details": {"Sing."}, "meets": {"Sundays"}, "place": {"Loft"},
		"commitment": {"Some"}, "contact": {"Come."}, "interest": {"music"}, "active": {"yes"},
	}
	change.Set("place", " ")
	response, body := v.post("/admin/ministries/cantors", change)
	require.Equal(t, http.StatusUnprocessableEntity, response.StatusCode)
	require.Contains(t, body, `id="place-error"`)

	change.Set("place", "Loft")
	v.post("/admin/ministries/cantors", change)
	_, body = v.get(results)
	require.Contains(t, body, "<h3>Voices</h3>")
	require.NotContains(t, body, "Cantors and organists")

	v.post("/admin/ministries/cantors/active", url.Values{"active": {"no"}})
	_, body = v.get(results)
	require.NotContains(t, body, "<h3>Voices</h3>")
}

func TestTheSixthWrongPasswordIsNotLookedAt(t *testing.T) {
	v := start(t)
	for range 5 {
		response, body := v.post("/admin/sign-in", url.Values{"user": {"admin"}, "password": {"a guess"}})
		require.Equal(t, http.StatusUnauthorized, response.StatusCode)
		require.Contains(t, body, "The name or the password is wrong.")
	}
	for _, guess := range []string{"a guess", password} {
		response, _ := v.post("/admin/sign-in", url.Values{"user": {"admin"}, "password": {guess}})
		require.Equal(t, http.StatusTooManyRequests, response.StatusCode)
		wait, err := strconv.Atoi(response.Header.Get("Retry-After"))
		require.NoError(t, err)
		require.LessOrEqual(t, wait, 3600)
		require.Greater(t, wait, 3000)
	}
}

func TestTheOfficeIsClosedToStrangers(t *testing.T) {
	v := start(t)
	for _, path := range []string{"/admin", "/admin/ministries", "/admin/ministries/rosary", "/admin/submissions"} {
		response, _ := v.get(path)
		require.Equal(t, "/admin/sign-in", response.Request.URL.Path, path)
	}
	v.post("/admin/ministries/rosary/active", url.Values{"active": {"no"}})

	v.signIn()
	for _, path := range []string{"/admin", "/admin/ministries", "/admin/ministries/rosary", "/admin/submissions"} {
		response, body := v.get(path)
		require.Equal(t, http.StatusOK, response.StatusCode, path)
		require.Equal(t, path, response.Request.URL.Path)
		require.NotContains(t, body, `class="off"`, "the stranger changed nothing")
		require.NotContains(t, body, "ZgotmplZ")
	}
	request, err := http.NewRequest(http.MethodPost, v.base+"/admin/sign-out", nil)
	require.NoError(t, err)
	request.Header.Set("Sec-Fetch-Site", "cross-site")
	response, _ := v.read(v.Do(request))
	require.Equal(t, http.StatusForbidden, response.StatusCode)

	v.post("/admin/sign-out", nil)
	response, _ = v.get("/admin")
	require.Equal(t, "/admin/sign-in", response.Request.URL.Path)
}

// process returns the finder as a process of its own, and what it writes to standard error.
func process(t *testing.T, env ...string) (*exec.Cmd, *bytes.Buffer) {
	executable, err := os.Executable()
	require.NoError(t, err)
	command := exec.Command(executable)
	command.Dir = t.TempDir()
	command.Env = append([]string{"FINDER_TEST_PROCESS=1", "ADDR=127.0.0.1", "PORT=0", "PROFILES_DIR=" + t.TempDir()}, env...)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	return command, &stderr
}

func TestBadConfigurationIsOneLine(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	_, port, err := net.SplitHostPort(taken.Addr().String())
	require.NoError(t, err)

	for _, test := range []struct{ name, set, line string }{
		{"unknown-port", "PORT=http-alt", `finder: PORT is "http-alt", want a port number from 0 to 65535`},
		{"taken-port", "PORT=" + port, `finder: PORT is "` + port + `", want a port that is free at "127.0.0.1" (`},
		{"no-directory", "FINDER_DATABASE=none/finder.db", `finder: FINDER_DATABASE is "none/finder.db", want the path of a file that can be opened or made (`},
		{"negative-limit", "CACHE_ENTRIES=-1", `finder: CACHE_ENTRIES is "-1", want a whole number from 1 to 1000000`},
		{"other-database", "DATABASE_URL=mysql://me:hush@db/finder", `finder: DATABASE_URL is "mysql://me:xxxxx@db/...", want a URL such as postgres://`},
	} {
		t.Run(test.name, func(t *testing.T) {
			command, stderr := process(t, test.set)
			var exit *exec.ExitError
			require.ErrorAs(t, command.Run(), &exit)
			require.Equal(t, 2, exit.ExitCode())
			require.True(t, strings.HasPrefix(stderr.String(), test.line), stderr.String())
			require.Equal(t, 1, strings.Count(stderr.String(), "\n"))
		})
	}
}

func TestProductionDoesNotStartWithoutItsSecrets(t *testing.T) {
	command, stderr := process(t, "ENVIRONMENT=production", "ADMIN_PASSWORD=password123")
	var exit *exec.ExitError
	require.ErrorAs(t, command.Run(), &exit)
	require.Equal(t, 2, exit.ExitCode())
	lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
	require.Len(t, lines, 4)
	for i, variable := range []string{"DATABASE_URL", "SECRET_KEY", "ADMIN_USERNAME", "ADMIN_PASSWORD"} {
		require.True(t, strings.HasPrefix(lines[i], "finder: "+variable+" is "), lines[i])
	}
	require.NotContains(t, stderr.String(), "password123")
}

func TestSIGTERMUnderLoadEndsWithStatusZero(t *testing.T) {
	command, stderr := process(t)
	out, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	t.Cleanup(func() { _ = command.Process.Kill() }) // if the test has not waited for it
	lines := bufio.NewReader(out)
	base := ready(t, lines)

	// One client opens a request and never ends it.
	slow, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	require.NoError(t, err)
	defer slow.Close()
	_, err = io.WriteString(slow, "POST /api/match HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
	require.NoError(t, err)

	// Four others never stop asking.
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	var answered atomic.Int64
	busy := make(chan struct{}, 1)
	ended := make(chan error, 4)
	for range cap(ended) {
		go func() {
			for {
				response, err := client.Post(base+"/api/match", "application/json", strings.NewReader(`{"age":"adult","gender":"male"}`))
				if err != nil {
					ended <- nil // the door is closed
					return
				}
				_, err = io.Copy(io.Discard, response.Body)
				response.Body.Close()
				if err != nil || response.StatusCode != http.StatusOK {
					ended <- errors.Join(errors.New("a request that was accepted was not answered: "+response.Status), err)
					return
				}
				if answered.Add(1) == 20 {
					busy <- struct{}{}
				}
			}
		}()
	}
	<-busy
	began := time.Now()
	require.NoError(t, command.Process.Signal(syscall.SIGTERM))
	rest, err := io.ReadAll(lines)
	require.NoError(t, err)
	require.NoError(t, command.Wait(), stderr.String())
	require.Less(t, time.Since(began), 10*time.Second)
	require.Contains(t, string(rest), "Stopped.")
	for range cap(ended) {
		require.NoError(t, <-ended)
	}
}
