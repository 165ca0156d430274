package config

import (
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// Variables returns the names of all variables, for the other tests.
func Variables() []string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.variable()
	}
	return names
}

func TestEachFieldHasAVariableAndWords(t *testing.T) {
	variables, names := map[string]bool{}, map[string]bool{}
	for _, f := range fields {
		require.NotEmpty(t, f.variable(), f.path)
		require.NotEmpty(t, f.want(), f.path)
		require.False(t, variables[f.variable()], f.variable())
		variables[f.variable()] = true
		// An error of parsing names the field without its room. Texts have none.
		if f.Type.Kind().String() != "string" {
			require.False(t, names[f.Name], f.path)
			names[f.Name] = true
		}
	}
}

// The README's table has each variable with its default, and no other.
func TestTheREADMEHasEachVariable(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	for _, f := range fields {
		row := "| `" + f.variable() + "` | "
		if def := f.Tag.Get("envDefault"); def != "" {
			row += "`" + def + "` "
		}
		require.Contains(t, string(readme), row+"| ")
	}
	rows := regexp.MustCompile("(?m)^\\| `[A-Z0-9_]+` \\|").FindAll(readme, -1)
	require.Len(t, rows, len(fields))
}

func TestKnownWords(t *testing.T) {
	for _, word := range []string{"admin", "Admin", "PASSWORD", "password123", "change-me", "dev-secret-key", "your_secret_key_here", "aaaaaaaaaaaa", "changemechangemechangeme", ""} {
		require.True(t, isKnown(word), word)
	}
	for _, word := range []string{"vicar", "correct horse battery", "password of the vicar", "admin of St. Ann", "§$%&/()=?", "x7Kp2Lm9Qr4Ts6Vw8Yz1Ab3Cd5Ef7Gh0"} {
		require.False(t, isKnown(word), word)
	}
}
