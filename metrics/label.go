package metrics

import (
	"strings"
	"unicode/utf8"
)

// clip returns name as it may be kept: valid UTF-8 of at most limit bytes, cut
// between two runes, with a U+FFFD for each run of bytes that was not UTF-8. It
// reports whether anything had to be changed. It looks at no more than limit
// bytes of name and allocates only to repair them; the result may share the
// memory of name.
func clip(name string, limit int) (clipped string, changed bool) {
	if len(name) > limit {
		name, changed = cut(name, limit), true
	}
	if utf8.ValidString(name) {
		return name, changed
	}
	name = strings.ToValidUTF8(name, "\uFFFD")
	if len(name) > limit {
		name = cut(name, limit)
	}
	return name, true
}

// cut returns the longest prefix of name of at most limit bytes that does not
// end inside a rune. A name longer than limit must be given.
func cut(name string, limit int) string {
	for i := limit; i > max(0, limit-utf8.UTFMax); i-- {
		if utf8.RuneStart(name[i]) {
			return name[:i]
		}
	}
	return name[:limit] // not UTF-8 here anyway
}
