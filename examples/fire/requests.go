package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	mathrand "math/rand/v2"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// A kind is one of the requests that are made.
type kind int

const (
	quizPage kind = iota
	sendForm
	resultsPage
	staticFile
	match
	ministries
	submit
	health
	memoryStatus
	metrics
	signIn
	basicAuth
	kinds // how many there are
)

var kindNames = [kinds]string{
	"GET /", "POST /results", "GET /results", "GET /static/style.css", "POST /api/match", "POST /api/get-ministries", "POST /api/submit",
	"GET /api/health", "GET /api/memory-status", "GET /metrics", "POST /admin/sign-in", "GET /admin, basic auth",
}

// right reports whether a status is what a kind of request should be answered with when all is well.
func (k kind) right(status int) bool {
	switch k {
	case sendForm:
		return status == http.StatusSeeOther
	case signIn, basicAuth:
		return status == http.StatusUnauthorized || status == http.StatusTooManyRequests
	}
	return status == http.StatusOK
}

// addresses is how many addresses wrong passwords come from: part of those that RFC 2544 sets aside for measurements.
const addresses = 100_000

// visitorAddress returns the n-th of them.
func visitorAddress(n uint64) netip.Addr {
	n %= addresses
	return netip.AddrFrom4([4]byte{198, byte(18 + n>>16), byte(n >> 8), byte(n)})
}

// requestTimeout is how long one answer is waited for: longer than the finder waits for its database.
const requestTimeout = 30 * time.Second

// A client asks, reads the answer, and asks again. It has one connection.
type client struct {
	http    *http.Client
	base    string
	storm   *storm
	random  *mathrand.Rand
	tallies [kinds]tally
	gone    bool // the finder no longer answers, as was to be expected
}

func newClient(base string, s *storm, seed uint64) *client {
	return &client{
		http: &http.Client{
			Transport: &http.Transport{MaxConnsPerHost: 1}, Timeout: requestTimeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		base: base, storm: s, random: mathrand.New(mathrand.NewPCG(seed, seed)),
	}
}

// visit makes one visit: of the quiz, or of a program.
func (c *client) visit(ctx context.Context) {
	switch n := c.random.IntN(100); {
	case n < 25:
		c.takeQuiz(ctx)
	case n < 45:
		c.ask(ctx, match, http.MethodPost, "/api/match", jsonType, c.answers())
	case n < 60:
		c.ask(ctx, ministries, http.MethodPost, "/api/get-ministries", jsonType, "")
	case n < 88:
		c.submit(ctx)
	case n < 94:
		c.ask(ctx, health, http.MethodGet, "/api/health", "", "")
	case n < 97:
		c.ask(ctx, memoryStatus, http.MethodGet, "/api/memory-status", "", "")
	default:
		c.ask(ctx, metrics, http.MethodGet, "/metrics", "", "")
	}
}

// guess tries a wrong password: nearly always in the form, and now and then as a program would.
func (c *client) guess(ctx context.Context) {
	if c.random.IntN(10) == 0 {
		c.ask(ctx, basicAuth, http.MethodGet, "/admin", "", "")
		return
	}
	form := url.Values{"user": {c.guessedName()}, "password": {rand.Text()}}
	c.ask(ctx, signIn, http.MethodPost, "/admin/sign-in", formType, form.Encode())
}

const (
	jsonType = "application/json"
	formType = "application/x-www-form-urlencoded"
)

// guessedName returns a name to sign in with: nearly always the right one. Any other costs the finder a hash.
func (c *client) guessedName() string {
	if c.random.IntN(100) == 0 {
		return "guest-" + rand.Text()[:8]
	}
	return "admin"
}

// The answers that visitors give. Half of them give the first three only, of which there are 288: those come again.
var (
	ages       = []string{"child", "middle-school", "high-school", "young-adult", "adult", "senior"}
	genders    = []string{"female", "male", "unspecified"}
	interests  = []string{"prayer", "scripture", "liturgy", "music", "teaching", "young-people", "care", "service", "justice", "hospitality", "fellowship", "creative", "hands-on", "sports", "media", "organizing"}
	states     = []string{"single", "engaged", "married", "parent", "separated", "widowed", "consecrated"}
	situations = []string{"new-here", "returning", "exploring", "sacrament", "looking-for-friends", "short-of-time", "newly-retired", "expecting", "grieving", "unwell", "struggling"}
)

// newSubmissionID finds the name that the page gave to a visitor's answers.
var newSubmissionID = regexp.MustCompile(`name="id" value="([A-Z2-7]{26})"`)

// takeQuiz opens the page, sends the form that is on it, and follows to the results.
func (c *client) takeQuiz(ctx context.Context) {
	page := c.ask(ctx, quizPage, http.MethodGet, "/", "", "")
	if !page.ok {
		return
	}
	id := newSubmissionID.FindStringSubmatch(page.body)
	if id == nil {
		c.storm.trouble(trouble{kind: quizPage, began: page.began, ended: page.ended, status: page.status, text: "there is no id on the page"})
		return
	}
	c.ask(ctx, staticFile, http.MethodGet, "/static/style.css", "", "")
	answers := c.choices()
	answers.Set("id", id[1])
	sent := c.ask(ctx, sendForm, http.MethodPost, "/results", formType, answers.Encode())
	if !sent.ok {
		return
	}
	if !strings.Contains(sent.location, "not-kept") {
		c.storm.kept(id[1], "")
	}
	c.ask(ctx, resultsPage, http.MethodGet, sent.location, "", "")
}

// choices returns answers to the questions.
func (c *client) choices() url.Values {
	pick := func(list []string) []string { return []string{list[c.random.IntN(len(list))]} }
	v := url.Values{"age": pick(ages), "gender": pick(genders), "interest": pick(interests)}
	if c.random.IntN(2) == 0 {
		v["state"], v["situation"] = pick(states), pick(situations)
	}
	return v
}

// answers returns choices as a program sends them.
func (c *client) answers() string {
	v := c.choices()
	body, _ := json.Marshal(map[string]any{ // texts and lists of them
		"age": v.Get("age"), "gender": v.Get("gender"), "interest": v["interest"], "state": v["state"], "situation": v["situation"],
	})
	return string(body)
}

// submit sends a submission with a mark that no other has, as the ministry that was recommended.
func (c *client) submit(ctx context.Context) {
	mark := c.storm.nextMark()
	sent := c.ask(ctx, submit, http.MethodPost, "/api/submit", jsonType, `{"answers":`+c.answers()+`,"recommendations":["`+mark+`"]}`)
	if sent.status == 0 {
		return // nobody knows what became of it
	}
	var answer struct {
		Success bool
		Message string
		ID      string `json:"submission_id"`
	}
	wrong := ""
	if err := json.Unmarshal([]byte(sent.body), &answer); err != nil {
		wrong = "the answer is no JSON: " + err.Error()
	} else if answer.Success != (sent.status == http.StatusOK) || answer.Success != (answer.ID != "") || answer.Message == "" {
		wrong = "the answer contradicts itself"
	}
	if wrong != "" {
		c.storm.trouble(trouble{kind: submit, began: sent.began, ended: sent.ended, status: sent.status, text: wrong + ": " + sent.body, always: true})
	}
	if answer.Success {
		c.storm.kept(answer.ID, mark)
	}
}

// An answered is what came of a request.
type answered struct {
	ok             bool // it is the right answer when all is well
	status         int  // 0: none came
	body, location string
	began, ended   time.Time
}

// ask makes a request and notes how it went.
func (c *client) ask(ctx context.Context, k kind, method, path, contentType, body string) answered {
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, strings.NewReader(body))
	if err != nil {
		panic(err) // the methods and paths are constants, or the finder's own
	}
	c.storm.requests.Add(1)
	address := visitorAddress(c.random.Uint64())
	if k == signIn || k == basicAuth {
		address = visitorAddress(c.storm.guesses.Add(1))
	}
	request.Header.Set("X-Forwarded-For", address.String())
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	if k == basicAuth {
		request.SetBasicAuth(c.guessedName(), rand.Text())
	}
	a := answered{began: time.Now()}
	response, err := c.http.Do(request)
	var text []byte
	if err == nil {
		a.status, a.location = response.StatusCode, response.Header.Get("Location")
		text, err = io.ReadAll(response.Body)
		response.Body.Close()
	}
	a.ended = time.Now()
	if ctx.Err() != nil { // this program is being stopped
		return answered{}
	}
	if err != nil && a.status == 0 && c.storm.ending() {
		c.gone = true
		return a
	}
	a.body = string(text)
	t := trouble{kind: k, began: a.began, ended: a.ended, status: a.status, text: a.body}
	switch {
	case err != nil:
		t.text, t.always = err.Error(), true
	case a.status == http.StatusTooManyRequests && response.Header.Get("Retry-After") == "":
		t.text, t.always = "a 429 without Retry-After", true
	case !k.right(a.status):
		t.always = a.status < 500
	default:
		a.ok = true
	}
	if !a.ok {
		c.storm.trouble(t)
	}
	c.tallies[k].add(a)
	return a
}
