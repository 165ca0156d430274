package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A form that cannot be read, or is too long, changes nothing: it is no wrong password, and nobody's mistake
// but its sender's.
func TestFormsThatCannotBeRead(t *testing.T) {
	v := start(t)
	v.signIn()
	for _, path := range []string{"/results", "/admin/sign-in", "/admin/unlock", "/admin/ministries/rosary", "/admin/ministries/rosary/active"} {
		for body, want := range map[string]int{
			"active=no&user=admin&x=%zz":                            http.StatusBadRequest,
			"active=no&user=admin&x=" + strings.Repeat("x", 70_000): http.StatusRequestEntityTooLarge,
		} {
			response, text := v.read(v.Post(v.base+path, "application/x-www-form-urlencoded", strings.NewReader(body)))
			require.Equal(t, want, response.StatusCode, "%s: %s", path, text)
		}
	}
	response, _ := v.post("/admin/ministries/rosary/active", url.Values{"active": {"maybe"}})
	require.Equal(t, http.StatusBadRequest, response.StatusCode)
	_, ministries := v.sendJSON("/api/get-ministries", "")
	require.Contains(t, ministries, `"rosary"`)
	_, figures := v.get("/api/metrics")
	answer := decode[struct {
		Application struct{ Errors map[string]int }
		Limiting    struct{ Failed int } `json:"rate_limiting"`
	}](t, figures)
	require.Empty(t, answer.Application.Errors)
	require.Zero(t, answer.Limiting.Failed)
}

// What the page lets in, the server takes: as many characters, of whatever script, and a line that ends as
// forms end it.
func TestALongTextOfAnyScriptIsTaken(t *testing.T) {
	v := start(t)
	v.signIn()
	form := url.Values{
		"name": {strings.Repeat("ש", 200)}, "category": {"תפילה 🕯"}, "details": {strings.Repeat("מ\r\n", 1000)}, "meets": {"א"}, "place": {"ב"},
		"commitment": {"ג"}, "contact": {"ד"}, "active": {"yes"},
	}
	response, body := v.post("/admin/ministries/rosary", form)
	require.Equal(t, "/admin/ministries", response.Request.URL.Path, body)
	_, ministries := v.sendJSON("/api/get-ministries", "")
	rosary := decode[map[string]struct{ Name, Details string }](t, ministries)["rosary"]
	require.Equal(t, form.Get("name"), rosary.Name)
	require.Equal(t, strings.Repeat("מ\n", 1000), rosary.Details)

	for _, bad := range []string{"\xff", "a\x00"} {
		form.Set("place", bad)
		response, body = v.post("/admin/ministries/rosary", form)
		require.Equal(t, http.StatusUnprocessableEntity, response.StatusCode)
		require.Contains(t, body, `id="place-error"`)
	}
}
