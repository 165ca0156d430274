package ratelimit

import (
	"errors"
	"net/netip"
	"strings"
)

// lastElement returns the last element of a header that is a list, and what is to the
// left of it. It reads from the right, so that whatever a client wrote to the left of a well-formed
// element, quotes that do not end included, does not change how the element is read.
//
// A quoted string can be told from the right too: each quote in it has an odd number of backslashes
// before it, and the one that opens it has an equals sign there.
func lastElement(list string) (element, rest string, more bool) {
	quoted := false
	for i := len(list) - 1; i >= 0; i-- {
		switch {
		case list[i] == '"' && !(quoted && escaped(list, i)):
			quoted = !quoted
		case list[i] == ',' && !quoted:
			return strings.Trim(list[i+1:], " \t"), list[:i], true
		}
	}
	return strings.Trim(list, " \t"), "", false
}

// escaped reports whether there is an odd number of backslashes before s[i].
func escaped(s string, i int) bool {
	return (i-len(strings.TrimRight(s[:i], `\`)))%2 == 1
}

var (
	errPair  = errors.New("want name=value pairs")
	errTwice = errors.New("want one for=")
	errNoFor = errors.New("want a for=")
)

// parseForwarded returns the address in the "for" of an element of Forwarded (RFC
// 7239, section 4), in which pairs may be empty. A proxy that hides whom it serves leaves nobody to count,
// which is an error.
func parseForwarded(element string) (netip.Addr, error) {
	const between = "; \t"
	node, told := "", false
	for rest := strings.TrimLeft(element, between); rest != ""; rest = strings.TrimLeft(rest, between) {
		name, value, after, ok := forwardedPair(rest)
		if !ok {
			return netip.Addr{}, errPair
		}
		if strings.EqualFold(name, "for") {
			if told {
				return netip.Addr{}, errTwice
			}
			node, told = value, true
		}
		rest = after
	}
	if !told {
		return netip.Addr{}, errNoFor
	}
	return parseHop(withoutHiddenPort(node))
}

// withoutHiddenPort returns a node without the port, if its proxy hides that (RFC 7239, section 6).
func withoutHiddenPort(node string) string {
	const letters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ._-"
	at := strings.LastIndex(node, ":_")
	if at < 0 || at+len(":_") == len(node) || strings.Trim(node[at+1:], letters) != "" {
		return node
	}
	if host := node[:at]; strings.HasSuffix(host, "]") || !strings.Contains(host, ":") {
		return host
	}
	return node
}

// forwardedPair parses the pair that s begins with. What follows is empty or begins
// with a semicolon.
func forwardedPair(s string) (name, value, after string, ok bool) {
	name, s, ok = strings.Cut(s, "=")
	if !ok || !isToken(name) {
		return "", "", "", false
	}
	if strings.HasPrefix(s, `"`) {
		value, s, ok = unquote(s) // may be empty, as the host of a request that names none
	} else {
		end := strings.IndexAny(s, "; \t\"")
		if end < 0 {
			end = len(s)
		}
		// Brackets and colons should be quoted; many proxies do not.
		value, s = s[:end], s[end:]
		ok = value != ""
	}
	s = strings.TrimLeft(s, " \t")
	return name, value, s, ok && (s == "" || s[0] == ';')
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
