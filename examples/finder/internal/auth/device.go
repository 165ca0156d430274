package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
	"time"
)

const (
	deviceCookie = "finder-device"
	deviceMaxAge = 180 * 24 * time.Hour
	deviceLength = 26 // of what rand.Text returns
)

// devices gives browsers that have signed in a signed name, by which they are known when they come back: others who
// guess passwords, at the same address or for the same account, cannot keep them out.
type devices struct {
	key    []byte
	secure bool
}

func newDevice() string { return rand.Text() }

// of returns the name of the browser that sent r, or "" if it has none that was signed here.
func (d devices) of(r *http.Request) string {
	cookie, err := r.Cookie(deviceCookie)
	if err != nil {
		return ""
	}
	name, signature, ok := strings.Cut(cookie.Value, ".")
	if !ok || len(name) != deviceLength {
		return ""
	}
	given, err := base64.RawURLEncoding.DecodeString(signature)
	if err != nil || !hmac.Equal(given, d.sign(name)) {
		return ""
	}
	return name
}

// remember gives the browser its name.
func (d devices) remember(w http.ResponseWriter, name string) {
	http.SetCookie(w, &http.Cookie{
		Name: deviceCookie, Value: name + "." + base64.RawURLEncoding.EncodeToString(d.sign(name)),
		Path: "/admin", MaxAge: int(deviceMaxAge.Seconds()), HttpOnly: true, Secure: d.secure, SameSite: http.SameSiteStrictMode,
	})
}

func (d devices) sign(name string) []byte {
	mac := hmac.New(sha256.New, d.key)
	mac.Write([]byte("device " + name)) // so that a signature of something else is none of this
	return mac.Sum(nil)
}
