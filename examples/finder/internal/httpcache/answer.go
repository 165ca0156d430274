package httpcache

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// An answer is a response that was made. Nobody changes it.
type answer struct {
	status int
	header http.Header
	body   []byte
	made   time.Time
	ends   time.Time // it is not fresh any more
	kept   bool      // it is for anybody; otherwise it is for whoever asked first
	cut    bool      // it was too long: body is not all of it
}

// suits reports whether a is fresh enough for a request.
func (a *answer) suits(asked cacheControl, h http.Header) bool {
	if asked.has("no-cache") || h.Get("Pragma") == "no-cache" {
		return false
	}
	if most, ok := asked.seconds("max-age"); ok && time.Since(a.made) >= most {
		return false
	}
	least, ok := asked.seconds("min-fresh")
	return !ok || time.Until(a.ends) >= least
}

// strip takes out the headers that are of one connection: RFC 9111, section 3.1.
func (a *answer) strip() {
	names := []string{"Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authentication-Info", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Age"}
	for _, line := range a.header.Values("Connection") {
		for name := range strings.SplitSeq(line, ",") {
			names = append(names, strings.TrimSpace(name))
		}
	}
	for _, name := range names {
		a.header.Del(name)
	}
}

// ageOf returns how old an answer says that it is.
func ageOf(h http.Header) time.Duration {
	seconds, err := strconv.ParseUint(h.Get("Age"), 10, 31)
	if err != nil {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// tag gives a an ETag if it has none.
func (a *answer) tag() {
	if a.header.Get("Etag") == "" {
		sum := sha256.Sum256(a.body)
		a.header.Set("Etag", `"`+base64.RawURLEncoding.EncodeToString(sum[:12])+`"`)
	}
}

// write sends a, or 304 if r has it already. An answer that was not made for r tells its age.
func (a *answer) write(w http.ResponseWriter, r *http.Request, first bool) {
	h := w.Header()
	for name, values := range a.header {
		h[name] = slices.Clone(values)
	}
	if !first {
		h.Set("Age", strconv.Itoa(int(time.Since(a.made).Seconds())))
	}
	if a.status == http.StatusOK && a.matches(r) {
		for _, name := range []string{"Content-Type", "Content-Length", "Content-Encoding"} {
			h.Del(name)
		}
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(a.body)))
	w.WriteHeader(a.status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(a.body) // whoever went away misses nothing
	}
}

// matches reports whether the condition of r says that it has a: RFC 9110, section 13.
func (a *answer) matches(r *http.Request) bool {
	if names := r.Header.Values("If-None-Match"); len(names) > 0 {
		etag := strings.TrimPrefix(a.header.Get("Etag"), "W/")
		for name := range strings.SplitSeq(strings.Join(names, ","), ",") {
			if name = strings.TrimSpace(name); etag != "" && (name == "*" || strings.TrimPrefix(name, "W/") == etag) {
				return true
			}
		}
		return false
	}
	since, err := http.ParseTime(r.Header.Get("If-Modified-Since"))
	if err != nil {
		return false
	}
	modified, err := http.ParseTime(a.header.Get("Last-Modified"))
	return err == nil && !modified.After(since)
}

// unconditional returns r, which must be a copy, without conditions, so that the answer is whole.
func unconditional(r *http.Request) *http.Request {
	r.Header, r.Body = r.Header.Clone(), http.NoBody
	for _, name := range []string{"If-None-Match", "If-Modified-Since", "If-Match", "If-Unmodified-Since", "If-Range"} {
		r.Header.Del(name)
	}
	return r
}

// lifetime returns for how long the answer to r may be kept; zero or less: not at all.
func lifetime(r *http.Request, rec *recorder, vary []string) time.Duration {
	said := directives(rec.header)
	for name := range strings.SplitSeq(strings.Join(rec.header.Values("Vary"), ","), ",") {
		if name = http.CanonicalHeaderKey(strings.TrimSpace(name)); name != "" && !slices.Contains(vary, name) {
			return 0
		}
	}
	personal := r.Header.Get("Authorization") != "" || r.Header.Get("Cookie") != ""
	switch {
	case rec.status != http.StatusOK, said.has("no-store"), said.has("private"), said.has("no-cache"),
		len(rec.header.Values("Set-Cookie")) > 0, personal && !said.has("public"):
		return 0
	}
	age, ok := said["s-maxage"]
	if !ok {
		age = said["max-age"]
	}
	seconds, err := strconv.ParseInt(age, 10, 32)
	if err != nil {
		return 0
	}
	return time.Duration(seconds)*time.Second - ageOf(rec.header)
}

// cacheControl are the directives of a Cache-Control header, with their arguments.
type cacheControl map[string]string

func (c cacheControl) has(name string) bool { _, ok := c[name]; return ok }

// seconds returns the argument of a directive, if it has one.
func (c cacheControl) seconds(name string) (time.Duration, bool) {
	n, err := strconv.ParseUint(c[name], 10, 31)
	return time.Duration(n) * time.Second, err == nil
}

func directives(h http.Header) cacheControl {
	c := make(cacheControl)
	for d := range strings.SplitSeq(strings.Join(h.Values("Cache-Control"), ","), ",") {
		name, arg, _ := strings.Cut(strings.TrimSpace(d), "=")
		c[strings.ToLower(name)] = strings.Trim(arg, `"`)
	}
	return c
}

// A recorder keeps a response, up to a limit of its body.
type recorder struct {
	header http.Header
	status int // zero: not yet written
	body   bytes.Buffer
	limit  int
	cut    bool
}

var errTooLong = errors.New("httpcache: the answer is longer than Config.MaxBody")

func (rec *recorder) Header() http.Header { return rec.header }

func (rec *recorder) WriteHeader(status int) {
	if rec.status == 0 && status >= 200 {
		rec.status = status
	}
}

func (rec *recorder) Write(p []byte) (int, error) {
	rec.WriteHeader(http.StatusOK)
	if rec.body.Len()+len(p) > rec.limit {
		rec.cut = true
		rec.body.Reset()
		rec.limit = -1
		return 0, errTooLong
	}
	return rec.body.Write(p)
}

// A status notes the status of a response.
type status struct {
	http.ResponseWriter
	code int
}

func (s *status) WriteHeader(code int) {
	s.code = code
	s.ResponseWriter.WriteHeader(code)
}

func (s *status) Unwrap() http.ResponseWriter { return s.ResponseWriter }
