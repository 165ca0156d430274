// Package examples has no code: its programs are in the folders below.
package examples

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func read(t *testing.T, name string) string {
	b, err := os.ReadFile(name)
	require.NoError(t, err)
	return string(b)
}

// indent returns text with n more tabs before each line that is not empty.
func indent(text string, n int) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if line != "\n" {
			b.WriteString(strings.Repeat("\t", n))
		}
		b.WriteString(line)
	}
	return b.String()
}

// The Go code of the README is the finder's own: each block stands, as it is, in a file that the text before it
// links to. Together they are about forty lines.
func TestTheWiringIsTheFindersOwn(t *testing.T) {
	link := regexp.MustCompile(`\]\((finder/\S+\.go)\)`)
	file, lines := "", 0
	before, rest, found := strings.Cut(read(t, "README.md"), "\n```go\n")
	for ; found; before, rest, found = strings.Cut(rest, "\n```go\n") {
		if links := link.FindAllStringSubmatch(before, -1); links != nil {
			file = links[len(links)-1][1]
		}
		block, after, closed := strings.Cut(rest, "\n```\n")
		require.True(t, closed)
		block += "\n"
		source, there := read(t, file), false
		for n := range 3 {
			there = there || strings.Contains(source, "\n"+indent(block, n))
		}
		require.True(t, there, "%s has no\n%s", file, block)
		lines += strings.Count(block, "\n")
		rest = after
	}
	require.InDelta(t, 40, lines, 8)
}

// What the README links to and shows is there, and the programs that it names are programs.
func TestTheReadmeNamesWhatIsThere(t *testing.T) {
	readme := read(t, "README.md")
	targets := regexp.MustCompile(`\]\(([^)]+)\)|src="([^"]+)"`).FindAllStringSubmatch(readme, -1)
	require.Greater(t, len(targets), 8)
	for _, target := range targets {
		_, err := os.Stat(target[1] + target[2])
		require.NoError(t, err)
	}
	commands := regexp.MustCompile(`go (?:run|test) -C examples \./(\w+)`).FindAllStringSubmatch(readme, -1)
	named := make(map[string]bool)
	for _, command := range commands {
		require.DirExists(t, command[1])
		named[command[1]] = true
	}
	mains, err := filepath.Glob("*/main.go")
	require.NoError(t, err)
	for _, main := range mains {
		require.True(t, named[filepath.Dir(main)], "%s is not in the README", main)
	}
}
