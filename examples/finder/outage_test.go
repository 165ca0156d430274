package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ministryfinder/bounded/examples/internal/postgres"
)

// until asks for the health until it is as wanted, and returns it.
func (v *visitor) until(wanted func(status int, h health) bool) health {
	v.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		response, body := v.get("/api/health")
		h := decode[health](v.t, body)
		if wanted(response.StatusCode, h) {
			return h
		}
		require.True(v.t, time.Now().Before(deadline), body)
	}
}

// untilAlert waits for an alert, which the janitor raises when it looks.
func (v *visitor) untilAlert(text string) {
	v.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if _, body := v.get("/admin/live/alerts"); strings.Contains(body, text) {
			return
		}
		require.True(v.t, time.Now().Before(deadline), text)
	}
}

func well(status int, h health) bool {
	return status == http.StatusOK && h.Status == "healthy" && h.Database == "connected" && h.Queue.Waiting == 0
}

// onPostgres starts the finder with a database of the server, and a queue for three.
func onPostgres(t *testing.T, server *postgres.Server, url string) *visitor {
	t.Setenv("DATABASE_URL", url)
	t.Setenv("QUEUE_ENTRIES", "3")
	t.Setenv("WATCH_DATABASE", "50ms")
	t.Setenv("DATABASE_CONNECT_TIMEOUT", "5s")
	v := start(t)
	t.Cleanup(func() { require.NoError(t, server.Restart()) }) // before the finder ends, so that what waits is written
	return v
}

const oneSubmission = `{"answers":{"age":"adult","gender":"female","interest":["music"]},"recommendations":["rosary"]}`

func TestTheQuizGoesOnWithoutItsDatabase(t *testing.T) {
	server := postgres.Start(t)
	v := onPostgres(t, server, server.Database(t))
	v.until(well)
	v.signIn()
	v.post("/admin/ministries/cantors/active", url.Values{"active": {"no"}})
	v.sendJSON("/api/submit", oneSubmission)

	require.NoError(t, server.Kill())
	for i := range 3 {
		response, body := v.sendJSON("/api/submit", oneSubmission)
		require.Equal(t, http.StatusOK, response.StatusCode)
		answer := decode[submitted](t, body)
		require.True(t, answer.Success)
		require.Contains(t, answer.Message, "They wait for the database")
		response, body = v.get("/api/health")
		h := decode[health](t, body)
		require.Equal(t, "disconnected", h.Database)
		require.Equal(t, i+1, h.Queue.Waiting)
		if i < 2 {
			require.Equal(t, http.StatusOK, response.StatusCode)
			require.Equal(t, "warning", h.Status)
			require.Contains(t, h.Issues[0], "the database is away; ")
		}
	}
	response, body := v.sendJSON("/api/submit", oneSubmission)
	require.Equal(t, http.StatusServiceUnavailable, response.StatusCode)
	require.NotEmpty(t, response.Header.Get("Retry-After"))
	answer := decode[submitted](t, body)
	require.False(t, answer.Success)
	require.Empty(t, answer.ID)
	require.Contains(t, answer.Message, "could not be kept: the database is away")
	h := v.until(func(status int, h health) bool { return status == http.StatusInternalServerError })
	require.Equal(t, "unhealthy", h.Status)
	require.Equal(t, 1, h.Queue.Refused)

	// The visitor of the page is told too, and gets the ministries as the parish has them.
	_, body = v.post("/results", url.Values{"age": {"adult"}, "gender": {"female"}, "interest": {"music"}})
	require.Contains(t, body, "Your answers could not be kept")
	require.Contains(t, body, "<article")
	require.NotContains(t, body, "Cantors and organists")
	_, body = v.get("/results?age=adult&gender=female&interest=music")
	require.NotContains(t, body, "could not be kept")
	v.untilAlert("The database is away")
	v.untilAlert("Submissions are refused")

	require.NoError(t, server.Restart())
	h = v.until(well)
	require.Equal(t, 3, h.Queue.Written)
	require.Equal(t, "4", v.count())
	v.untilAlert("The database is back")
}

// The ministries that the quiz has cached while it had no database go when there is one.
func TestADatabaseThatComesLate(t *testing.T) {
	server := postgres.Start(t)
	database := server.Database(t)
	{
		early := onPostgres(t, server, database)
		early.until(well)
		early.signIn()
		early.post("/admin/ministries/cantors/active", url.Values{"active": {"no"}})
	}
	require.NoError(t, server.Stop())
	v := onPostgres(t, server, database)
	const results = "/results?age=adult&gender=female&interest=music"
	_, body := v.get(results)
	require.Contains(t, body, "Cantors and organists", "the built-in catalogue")
	h := v.until(func(_ int, h health) bool { return h.Database == "disconnected" })
	require.Equal(t, "warning", h.Status)

	require.NoError(t, server.Restart())
	v.until(well)
	for deadline := time.Now().Add(time.Minute); ; {
		_, ministries := v.sendJSON("/api/get-ministries", "")
		if !containsKey(t, ministries, "cantors") {
			break
		}
		require.True(t, time.Now().Before(deadline))
	}
	_, body = v.get(results)
	require.NotContains(t, body, "Cantors and organists")
}

func containsKey(t *testing.T, body, key string) bool {
	_, has := decode[map[string]any](t, body)[key]
	return has
}

func TestAnswersComeWhileTheDatabaseHangs(t *testing.T) {
	server := postgres.Start(t)
	v := onPostgres(t, server, server.Database(t))
	v.until(well)
	server.Pause()
	began := time.Now()
	h := v.until(func(_ int, h health) bool { return h.Database == "disconnected" })
	require.Equal(t, "warning", h.Status)
	response, body := v.sendJSON("/api/submit", oneSubmission)
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Contains(t, decode[submitted](t, body).Message, "They wait for the database")
	require.Less(t, time.Since(began), 35*time.Second, "the time of an answer, 40 s, must not end first")
	server.Resume()
	require.Equal(t, 1, v.until(well).Queue.Written)
}
