package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// A finder is the service as a process of its own.
type finder struct {
	base    string // its address
	process *os.Process
	log     string        // the file of its standard error
	ended   chan struct{} // closed when it has; then the rest may be read
	said    string        // on its standard output, after it was ready
	err     error         // of its end
}

// build builds the finder into dir, and returns the program's path.
func build(ctx context.Context, dir string) (string, error) {
	path := filepath.Join(dir, "finder")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", path, "github.com/ministryfinder/bounded/examples/finder").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building the finder: %w\n%s", err, out)
	}
	return path, nil
}

// startFinder starts the program and returns when it is ready. kill must be called.
func startFinder(program string, env ...string) (*finder, error) {
	dir := filepath.Dir(program)
	f := &finder{log: filepath.Join(dir, "finder.log"), ended: make(chan struct{})}
	log, err := os.Create(f.log)
	if err != nil {
		return nil, err
	}
	defer log.Close() // the process has its own
	command := exec.Command(program)
	command.Dir, command.Stderr = dir, log
	command.Env = append([]string{"ADDR=127.0.0.1", "PORT=0", "PROFILES_DIR=" + filepath.Join(dir, "profiles")}, env...)
	// Ctrl-C is for this program, and the finder goes with it however it ends.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	stdout, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	ready := make(chan error, 1)
	go func() {
		// The kernel sends Pdeathsig when the thread that started the process ends, so this one stays.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(f.ended)
		if err := command.Start(); err != nil {
			ready <- err
			return
		}
		f.process = command.Process
		lines := bufio.NewReader(stdout)
		var readErr error
		if f.base, readErr = address(lines); readErr == nil {
			ready <- nil
		}
		rest, _ := io.ReadAll(lines) // to its end
		f.said, f.err = string(rest), command.Wait()
		if readErr != nil {
			ready <- errors.Join(errors.New("the finder ended before it was ready"), f.err)
		}
	}()
	if err := <-ready; err != nil {
		return nil, fmt.Errorf("%w\n%s", err, f.lastLines(20))
	}
	return f, nil
}

// address returns the address that the finder prints when it is ready.
func address(lines *bufio.Reader) (string, error) {
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return "", err
		}
		if rest, ok := strings.CutPrefix(line, "Ready: "); ok {
			return strings.Fields(rest)[0], nil
		}
	}
}

// terminate sends SIGTERM and waits for the end, which must come within limit.
func (f *finder) terminate(limit time.Duration) (took time.Duration, err error) {
	began := time.Now()
	if err := f.process.Signal(syscall.SIGTERM); err != nil {
		return 0, err
	}
	select {
	case <-f.ended:
		return time.Since(began), f.err
	case <-time.After(limit):
		return time.Since(began), fmt.Errorf("it had not ended %v after SIGTERM", limit)
	}
}

// kill ends the finder if it has not ended yet.
func (f *finder) kill() {
	_ = f.process.Kill() // one that has ended is no error
	<-f.ended
}

// lastLines returns the last n lines of the finder's log.
func (f *finder) lastLines(n int) string {
	log, err := os.ReadFile(f.log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(log)), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// panics returns the lines of the finder's log that tell of a panic.
func (f *finder) panics() (lines []string) {
	log, err := os.ReadFile(f.log)
	if err != nil {
		return []string{err.Error()}
	}
	for line := range strings.Lines(string(log)) {
		if strings.Contains(line, "panic") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}
