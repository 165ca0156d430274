package browser

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"os/exec"
)

//go:embed install
var install []byte

// program returns the path of Chromium, and installs it if it is not there.
func program() (string, error) {
	if path, ok := installed(); ok {
		return path, nil
	}
	command := exec.Command("bash", "-s")
	command.Stdin = bytes.NewReader(install)
	if out, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("browser: installing Chromium: %w\n%s", err, out)
	}
	if path, ok := installed(); ok {
		return path, nil
	}
	return "", errors.New("browser: Chromium was installed, and is still not to be found")
}

func installed() (path string, ok bool) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, true
		}
	}
	return "", false
}
