package config

import (
	"net/url"
	"os"
	"slices"
	"strings"
)

// known are words that examples, tutorials and images have for passwords and keys: whoever looks for a way in tries
// them first. They are compared without regard to case, and to what stands between letters.
var known = []string{
	"admin", "admin123", "admin1234", "administrator", "changeme", "changemenow", "changethis", "default", "demo", "dev", "devsecretkey",
	"devsecretkeychangeinproduction", "example", "letmein", "ministry", "ministry123", "ministryfinder", "parish", "parish123",
	"parishadmin", "password", "password1", "password123", "postgres", "qwerty", "qwerty123", "qwertyuiop", "replaceme", "root", "secret",
	"secretkey", "supersecret", "supersecretkey", "test", "test1234", "user", "welcome", "welcome1", "yourpassword", "yoursecretkey",
	"yoursecretkeyhere", "12345678", "123456789", "1234567890",
}

// unfitForProduction returns, for each variable whose value would let strangers in, what is wanted instead.
func (c Config) unfitForProduction() map[string]string {
	unfit := map[string]string{}
	require := func(variable string, ok bool, want string) {
		if os.Getenv(variable) == "" || !ok {
			unfit[variable] = want + " in production"
		}
	}
	password := ""
	if u, err := url.Parse(string(c.Database.URL)); err == nil {
		password, _ = u.User.Password()
	}
	require("DATABASE_URL", password == "" || !isKnown(password), "a PostgreSQL URL whose password is none of the well-known ones")
	require("SECRET_KEY", !isKnown(string(c.Admin.SecretKey)), "32 bytes or more that nobody can guess")
	require("ADMIN_USERNAME", !isKnown(c.Admin.User), "a name that is none of the well-known ones")
	require("ADMIN_PASSWORD", !isKnown(string(c.Admin.Password)), "8 to 72 bytes that nobody can guess")
	return unfit
}

// isKnown reports whether s is one of the known words, or made of them or of one character only.
func isKnown(s string) bool {
	var b strings.Builder
	for _, c := range strings.ToLower(s) {
		if 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c > 127 {
			b.WriteRune(c)
		}
	}
	word := b.String()
	if strings.Trim(s, s[:min(1, len(s))]) == "" { // the same character all along, or nothing
		return true
	}
	// A known word, once or repeated until it is long enough.
	return word != "" && slices.ContainsFunc(known, func(k string) bool { return strings.ReplaceAll(word, k, "") == "" })
}
