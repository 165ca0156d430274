package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What the environment sets arrives where it belongs: each is looked at from outside.
func TestLimitsAreThoseOfTheEnvironment(t *testing.T) {
	for variable, value := range map[string]string{
		"CACHE_ENTRIES": "7", "CACHE_SIZE": "3MB", "ANSWERS_SIZE": "1500kB", "QUEUE_ENTRIES": "11", "QUEUE_SIZE": "123kB",
		"MAX_SESSIONS": "13", "SESSIONS_SIZE": "400kB", "LOGIN_ADDRESSES": "17",
		"METRICS_TIMES": "19", "ALERTS": "23", "MEMORY_LIMIT": "10GB", "SESSION_TIMEOUT": "900",
		"SWEEP_CACHE": "31s", "SWEEP_LOGINS": "32s", "SWEEP_METRICS": "33s", "WATCH_MEMORY": "34s", "WATCH_DATABASE": "35s", "SWEEP_ALERTS": "36s",
		"RENDER_EXTERNAL_URL": "http://127.0.0.1:1", "KEEP_ALIVE_DAY": "37m", "KEEP_ALIVE_NIGHT": "2h",
	} {
		t.Setenv(variable, value)
	}
	v := start(t)
	for range 30 {
		v.get("/")
	}
	_, figures := v.get("/metrics")
	for name, want := range map[string]string{
		"finder_matches_max_entries": "7", "finder_matches_max_bytes": "3e+06", "finder_answers_max_bytes": "1.5e+06",
		"finder_database_queue_entries": "11", "finder_database_queue_bytes": "123000",
		"finder_sessions_max_entries": "13", "finder_sessions_max_bytes": "400000", "finder_tracker_max_addresses": "17", "finder_alerts_max_kept": "23",
	} {
		require.Contains(t, figures, fmt.Sprintf("\n%s %s\n", name, want))
	}
	_, body := v.get("/api/memory-status")
	status := decode[struct {
		Monitoring struct {
			Times int `json:"response_times"`
		}
		Memory struct {
			Limit float64 `json:"limit_bytes"`
		}
		Janitor []struct {
			Name     string
			Interval float64 `json:"interval_seconds"`
		}
	}](t, body)
	require.Equal(t, 19, status.Monitoring.Times)
	require.Equal(t, 10e9, status.Memory.Limit)
	intervals := map[string]float64{}
	for _, job := range status.Janitor {
		intervals[job.Name] = job.Interval
	}
	require.Equal(t, map[string]float64{
		"cache": 31, "answers": 31, "sessions": 31, "tracker": 32, "metrics": 33, "memory watch": 34, "database": 35, "alerts": 36, "charts": 2, "keep-alive": 37 * 60,
	}, intervals)

	request, err := http.NewRequest(http.MethodPost, v.base+"/admin/sign-in", strings.NewReader(url.Values{"user": {"admin"}, "password": {password}}.Encode()))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := v.Transport.RoundTrip(request) // as it comes, with its cookies
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	for _, cookie := range response.Cookies() {
		if cookie.Name == "finder" {
			require.InDelta(t, 900, cookie.MaxAge, 2)
		}
	}
	require.Len(t, response.Cookies(), 2)
}

func TestTheGuardGoesByTheEnvironment(t *testing.T) {
	t.Setenv("LOGIN_FAILURES", "2")
	t.Setenv("LOGIN_LOCKOUT", "5m")
	v := start(t)
	guess := url.Values{"user": {"admin"}, "password": {"a guess"}}
	for range 2 {
		response, _ := v.post("/admin/sign-in", guess)
		require.Equal(t, http.StatusUnauthorized, response.StatusCode)
	}
	response, _ := v.post("/admin/sign-in", guess)
	require.Equal(t, http.StatusTooManyRequests, response.StatusCode)
	wait, err := strconv.Atoi(response.Header.Get("Retry-After"))
	require.NoError(t, err)
	require.LessOrEqual(t, wait, 300)
	require.Greater(t, wait, 200, "some of it may have passed")
}

// guessOf returns the request of a client, behind a proxy, that guesses the office's password.
func guessOf(t *testing.T, v *visitor, client string) *http.Request {
	t.Helper()
	request, err := http.NewRequest(http.MethodPost, v.base+"/admin/sign-in", strings.NewReader(url.Values{"user": {"admin"}, "password": {"a guess"}}.Encode()))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("X-Forwarded-For", client)
	return request
}

// A /56 is denied what its addresses have not used up themselves.
func TestNetworksGoByTheEnvironment(t *testing.T) {
	t.Setenv("LOGIN_NETWORK_56", "2")
	t.Setenv("TRUSTED_PROXIES", "127.0.0.0/8,::1/128")
	v := start(t)
	for n, want := range []int{http.StatusUnauthorized, http.StatusUnauthorized, http.StatusTooManyRequests} {
		response, err := v.Do(guessOf(t, v, fmt.Sprintf("2001:db8:0:%d::1", n))) // a /64 each
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, want, response.StatusCode, "%d", n)
	}
}

// Who is slowed down because of what others tried is not told that it was their own address.
func TestStrangersAreNotBlamedForOthers(t *testing.T) {
	t.Setenv("LOGIN_ACCOUNT_FAILURES", "2")
	t.Setenv("TRUSTED_PROXIES", "127.0.0.0/8,::1/128")
	v := start(t)
	for n, want := range []int{http.StatusUnauthorized, http.StatusUnauthorized, http.StatusTooManyRequests} {
		response, body := v.read(v.Do(guessOf(t, v, fmt.Sprintf("198.51.%d.1", n))))
		require.Equal(t, want, response.StatusCode, "%d", n)
		if want == http.StatusTooManyRequests {
			require.Contains(t, body, "Too many wrong passwords.")
			require.NotContains(t, body, "your address")
		}
	}
}
