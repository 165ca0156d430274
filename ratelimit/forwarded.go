package ratelimit

import (
	"fmt"
	"strings"
)

// maxForwarded is the most bytes of Forwarded headers that are looked at. They must
// be read from the left, for commas may stand in quotes.
const maxForwarded = 16 << 10

// forwardedFor returns the "for" of each element of Forwarded headers (RFC 7239,
// section 4), without quotes. Each element must have one: a proxy that hides whom it serves
// leaves nobody to count.
func forwardedFor(lines []string) ([]string, error) {
	rest := strings.Join(lines, ",")
	if len(rest) > maxForwarded {
		return nil, fmt.Errorf("%w: Forwarded has %d bytes, want at most %d", ErrForwarding, len(rest), maxForwarded)
	}
	var hops []string
	node, found := "", false
	for {
		name, value, after, ok := forwardedPair(rest)
		if !ok {
			return nil, fmt.Errorf("%w: Forwarded has %q, want name=value", ErrForwarding, clip(rest))
		}
		if strings.EqualFold(name, "for") {
			if found {
				return nil, fmt.Errorf("%w: an element of Forwarded has two for=", ErrForwarding)
			}
			node, found = value, true
		}
		if after == "" || after[0] == ',' {
			if !found {
				return nil, fmt.Errorf("%w: an element of Forwarded has no for=", ErrForwarding)
			}
			hops = append(hops, node)
			node, found = "", false
		}
		if after == "" {
			return hops, nil
		}
		rest = after[1:]
	}
}

// forwardedPair parses the pair that s begins with. What follows is empty or begins
// with a semicolon or a comma.
func forwardedPair(s string) (name, value, after string, ok bool) {
	s = strings.TrimLeft(s, " \t")
	name, s, ok = strings.Cut(s, "=")
	if !ok || !isToken(name) {
		return "", "", "", false
	}
	if strings.HasPrefix(s, `"`) {
		value, s, ok = unquote(s)
		if !ok {
			return "", "", "", false
		}
	} else {
		end := strings.IndexAny(s, ";, \t")
		if end < 0 {
			end = len(s)
		}
		// Brackets and colons should be quoted; many proxies do not.
		value, s = s[:end], s[end:]
	}
	s = strings.TrimLeft(s, " \t")
	return name, value, s, value != "" && (s == "" || s[0] == ';' || s[0] == ',')
}

// unquote parses the quoted-string (RFC 9110, section 5.6.4) that s begins with.
func unquote(s string) (value, after string, ok bool) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:], true
		case '\\':
			if i++; i == len(s) {
				return "", "", false
			}
		}
		b.WriteByte(s[i])
	}
	return "", "", false
}

// isToken reports whether s is a token (RFC 9110, section 5.6.2).
func isToken(s string) bool {
	for _, r := range s {
		if r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r) {
			return false
		}
	}
	return s != ""
}
