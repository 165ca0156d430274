package ratelimit_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"

	"github.com/ministryfinder/bounded/ratelimit"
)

var errWrong = errors.New("wrong name or password")

func ExampleTracker() {
	tracker, err := ratelimit.NewTracker(ratelimit.Config{}) // 5 failures in 15 minutes lock for an hour
	if err != nil {
		panic(err)
	}
	login := func(addr netip.Addr, password string) error {
		attempt, err := tracker.Begin(addr) // before the password is looked at
		if err != nil {
			return err
		}
		if password != "open sesame" {
			attempt.Fail()
			return errWrong
		}
		attempt.Succeed()
		return nil
	}

	thief := netip.MustParseAddr("198.51.100.7")
	for _, guess := range []string{"open barley", "open oats", "open wheat", "open rye", "open spelt", "open sesame"} {
		fmt.Println(login(thief, guess))
	}
	fmt.Println(login(netip.MustParseAddr("192.0.2.1"), "open sesame"))
	// Output:
	// wrong name or password
	// wrong name or password
	// wrong name or password
	// wrong name or password
	// wrong name or password
	// ratelimit: 198.51.100.7/32 is locked out for another 1h0m0s
	// <nil>
}

func ExampleTracker_Middleware() {
	tracker, err := ratelimit.NewTracker(ratelimit.Config{})
	if err != nil {
		panic(err)
	}
	login := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("password") != "open sesame" {
			http.Error(w, "wrong name or password", http.StatusUnauthorized)
		}
	})
	mux := http.NewServeMux()
	mux.Handle("POST /login", tracker.Middleware(login, ratelimit.MiddlewareConfig{}))

	for range 6 {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/login?password=guess", nil))
		fmt.Printf("%d %q\n", w.Code, w.Header().Get("Retry-After"))
	}
	// Output:
	// 401 ""
	// 401 ""
	// 401 ""
	// 401 ""
	// 401 ""
	// 429 "3600"
}

func ExampleClientIP() {
	r := httptest.NewRequest(http.MethodPost, "/login", nil)
	r.RemoteAddr = "10.0.0.1:4711"                             // our proxy
	r.Header.Set("X-Forwarded-For", "127.0.0.1, 198.51.100.7") // the first is what the client sent

	addr, err := ratelimit.ClientIP(r, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")})
	fmt.Println(addr, err)
	// Output: 198.51.100.7 <nil>
}
