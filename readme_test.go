package bounded_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The Go code in the README is part of an Example, so that it compiles and does what
// it says.
func TestReadmeSnippetIsInAnExample(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	examples, err := os.ReadFile("example_test.go")
	require.NoError(t, err)

	_, rest, found := strings.Cut(string(readme), "\n```go\n")
	require.True(t, found, "the README has a block of Go")
	for found {
		snippet, after, closed := strings.Cut(rest, "\n```")
		require.True(t, closed)
		var indented strings.Builder
		for line := range strings.Lines(snippet) {
			indented.WriteString("\t" + line)
		}
		require.Contains(t, string(examples), indented.String())
		_, rest, found = strings.Cut(after, "\n```go\n")
	}
}

// The two commands are near the top, each on a line of its own that a script can find.
func TestReadmeHasTheTwoCommands(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	lines := strings.Split(string(readme), "\n")
	require.Contains(t, lines[:40], "go run -C examples ./finder")
	require.Contains(t, lines[:40], "go test ./... && go test -C examples ./...")
}

// What the README links to and shows is there.
func TestReadmeNamesWhatIsThere(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	targets := regexp.MustCompile(`\]\(([^)]+)\)|src="([^"]+)"`).FindAllStringSubmatch(string(readme), -1)
	require.Greater(t, len(targets), 20)
	for _, target := range targets {
		if name := target[1] + target[2]; !strings.Contains(name, "://") {
			_, err := os.Stat(name)
			require.NoError(t, err)
		}
	}
}
