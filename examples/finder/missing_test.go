package main

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// What is not there, or takes another method, is told on a page like the others, which leads on.
func TestWhatIsNotThereIsToldOnAPage(t *testing.T) {
	v := start(t)
	for _, test := range []struct {
		method, path string
		status       int
		allow, on    string
	}{
		{"GET", "/none", http.StatusNotFound, "", `href="/"`},
		{"GET", "/admin/", http.StatusNotFound, "", `href="/admin"`},
		{"GET", "/admin/none", http.StatusNotFound, "", `href="/admin"`},
		{"DELETE", "/", http.StatusMethodNotAllowed, "GET, HEAD", `href="/"`},
		{"PUT", "/results", http.StatusMethodNotAllowed, "GET, HEAD, POST", `href="/"`},
		{"POST", "/admin/profiles/x", http.StatusMethodNotAllowed, "GET, HEAD", `href="/admin"`},
		{"GET", "/admin/ministries/rosary/active", http.StatusMethodNotAllowed, "POST", `href="/admin"`},
	} {
		request, err := http.NewRequest(test.method, v.base+test.path, nil)
		require.NoError(t, err)
		response, body := v.read(v.Do(request))
		require.Equal(t, test.status, response.StatusCode, test.path)
		require.Equal(t, test.allow, response.Header.Get("Allow"), test.path)
		require.Contains(t, body, "<h1>Sorry</h1>")
		require.Contains(t, body, `<a class="button" `+test.on+`>`)
	}
	for _, path := range []string{"/static/", "/static/uplot/", "/static/uplot", "/static/none.css"} {
		response, body := v.get(path)
		require.Equal(t, http.StatusNotFound, response.StatusCode, path)
		require.NotContains(t, body, "<a ", "a folder is listed to nobody")
	}
	_, figures := v.get("/api/metrics")
	endpoints := decode[struct {
		Application struct {
			Endpoints map[string]struct{ Requests int }
		}
	}](t, figures).Application.Endpoints
	require.Equal(t, 7, endpoints["unmatched"].Requests)
	require.NotContains(t, endpoints, "/")
}
