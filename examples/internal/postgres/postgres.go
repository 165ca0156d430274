// Package postgres runs real PostgreSQL servers for tests: private, on a port of their own, and gone afterwards.
//
// A server can be killed, paused and started again under the feet of whatever is being tested. If PostgreSQL is not
// installed, the script install of this folder installs it, which takes Debian and root.
//
// It works on Linux only: it finds a server's processes in /proc.
package postgres

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	startTimeout = 60 * time.Second // generous: machines that test are busy
	stopTimeout  = 20 * time.Second
)

// A Server is a PostgreSQL server with a directory and a port of its own, that speaks TLS and asks for a password.
// Its methods must not be called at the same time.
type Server struct {
	dir      string
	bin      string // where the programs are
	password string
	port     int
	claim    net.Listener // of the port; nil: none yet

	process *os.Process   // the postmaster; nil: not running
	log     *serverLog    // of this run
	ended   chan struct{} // closed when no process of this run is left
}

// Start starts a server that the end of the test stops.
func Start(t testing.TB) *Server {
	t.Helper()
	s, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// New starts a server, for a TestMain that shares it. Close must be called. It takes one to two seconds.
func New() (*Server, error) {
	bin, err := programs()
	if err != nil {
		return nil, err
	}
	// Not t.TempDir: the server's account could not enter it.
	dir, err := os.MkdirTemp("", "postgres-")
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, bin: bin, password: rand.Text()}
	if err := s.create(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	// A port that was free a moment ago may be taken.
	for range 5 {
		if s.port, s.claim, err = freePort(); err == nil {
			if err = s.Restart(); err == nil {
				return s, nil
			}
			err = errors.Join(err, s.claim.Close())
			s.claim = nil
		}
	}
	return nil, errors.Join(err, s.Close())
}

// URL returns the address of the database that every server has. It names no sslmode.
func (s *Server) URL() string { return s.url("postgres") }

func (s *Server) url(database string) string {
	return (&url.URL{
		Scheme: "postgres", User: url.UserPassword("postgres", s.password),
		Host: fmt.Sprintf("127.0.0.1:%d", s.port), Path: "/" + database,
	}).String()
}

// Password returns the password in the URLs, for tests that look for it where it must not be.
func (s *Server) Password() string { return s.password }

// Database makes an empty database and returns its URL. It goes with the server.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	name := "test_" + strings.ToLower(rand.Text())
	s.Exec(t, "CREATE DATABASE "+name)
	return s.url(name)
}

// Exec runs a statement in the database of URL.
func (s *Server) Exec(t testing.TB, statement string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.URL())
	if err != nil {
		t.Fatalf("postgres: %v\n%s", err, s.log)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, statement); err != nil {
		t.Fatalf("postgres: %s: %v", statement, err)
	}
}

// Restart starts the server, at the same port and with what it has stored, and returns when it can be used.
// If it runs, it is stopped first.
func (s *Server) Restart() error { return s.RestartWith() }

// RestartWith is Restart with further arguments for the program postgres, until the next Restart: "-c", "ssl=off".
// Of two settings of the same name the later counts.
func (s *Server) RestartWith(args ...string) error {
	if err := s.Stop(); err != nil {
		return err
	}
	s.log, s.ended = newServerLog(), make(chan struct{})
	command := s.command("postgres", append([]string{"-D", s.dir + "/data",
		"-c", "listen_addresses=127.0.0.1", "-c", fmt.Sprintf("port=%d", s.port), "-c", "unix_socket_directories=",
		"-c", "ssl=on", "-c", "ssl_cert_file=" + s.dir + "/server.crt", "-c", "ssl_key_file=" + s.dir + "/server.key",
		"-c", "fsync=off", "-c", "max_connections=50", "-c", "shared_buffers=16MB", "-c", "lc_messages=C"}, args...)...)
	// Whatever happens to the test, the server goes with it.
	command.SysProcAttr.Pdeathsig = syscall.SIGQUIT
	command.Stderr = s.log

	started := make(chan error)
	go func(ended chan struct{}) {
		// The kernel sends Pdeathsig when the thread that started the process ends, so this one stays.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := command.Start()
		started <- err
		if err == nil {
			// All processes of the server hold the other end of Stderr, so Wait waits for the last of them.
			_ = command.Wait()
		}
		close(ended)
	}(s.ended)
	if err := <-started; err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	s.process = command.Process

	select {
	case <-s.log.ready:
		return nil
	case <-s.ended:
		s.process = nil
		return fmt.Errorf("postgres: the server did not start:\n%s", s.log)
	case <-time.After(startTimeout):
		return errors.Join(fmt.Errorf("postgres: the server was not ready after %v:\n%s", startTimeout, s.log), s.Kill())
	}
}

// Stop stops the server in good order: it ends the connections and stores all. A server that does not run stays
// as it is.
func (s *Server) Stop() error {
	if s.process == nil {
		return nil
	}
	s.Resume()
	_ = s.process.Signal(syscall.SIGINT) // "fast shutdown"; a process that has ended is no error
	select {
	case <-s.ended:
		s.process = nil
		return nil
	case <-time.After(stopTimeout):
		return errors.Join(fmt.Errorf("postgres: the server did not stop within %v:\n%s", stopTimeout, s.log), s.Kill())
	}
}

// Kill ends all processes of the server at once, as a crash would, and returns when they are gone.
func (s *Server) Kill() error {
	if s.process == nil {
		return nil
	}
	s.Pause() // so that none is born while they are counted
	s.signal(syscall.SIGKILL)
	select {
	case <-s.ended:
		s.process = nil
		return nil
	case <-time.After(stopTimeout):
		return fmt.Errorf("postgres: processes of the server are left %v after SIGKILL", stopTimeout)
	}
}

// Pause stops all processes of the server where they are. The kernel goes on to accept connections for them, and
// nobody answers: what a machine looks like that hangs. The server must run.
func (s *Server) Pause() {
	_ = s.process.Signal(syscall.SIGSTOP)
	s.signal(syscall.SIGSTOP)
}

// Resume lets a paused server go on.
func (s *Server) Resume() { s.signal(syscall.SIGCONT) }

// signal sends sig to the postmaster and its children. Each of them has a process group of its own.
func (s *Server) signal(sig syscall.Signal) {
	for _, pid := range append(children(s.process.Pid), s.process.Pid) {
		_ = syscall.Kill(pid, sig) // one that has just ended is no error
	}
}

// Close stops the server and removes its directory.
func (s *Server) Close() error {
	err := errors.Join(s.Stop(), os.RemoveAll(s.dir))
	if s.claim != nil {
		err = errors.Join(err, s.claim.Close())
		s.claim = nil
	}
	return err
}

// create makes the server's directory.
func (s *Server) create() error {
	if err := writeCertificate(s.dir); err != nil {
		return err
	}
	if err := os.WriteFile(s.dir+"/password", []byte(s.password), 0o600); err != nil {
		return err
	}
	if uid, gid, other, err := account(); err != nil {
		return err
	} else if other {
		for _, name := range []string{"", "password", "server.crt", "server.key"} {
			if err := os.Chown(filepath.Join(s.dir, name), uid, gid); err != nil {
				return err
			}
		}
	}
	out, err := s.command("initdb", "-D", s.dir+"/data", "--username=postgres", "--pwfile="+s.dir+"/password",
		"--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions").CombinedOutput()
	if err != nil {
		return fmt.Errorf("postgres: initdb: %w\n%s", err, out)
	}
	return nil
}

// command returns one of PostgreSQL's programs, to run under the server's account.
func (s *Server) command(name string, args ...string) *exec.Cmd {
	command := exec.Command(filepath.Join(s.bin, name), args...)
	command.Dir = s.dir
	command.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C", "TZ=UTC"}
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for the test, which then stops the server
	if uid, gid, other, _ := account(); other {               // create has looked at the error
		command.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	return command
}

// A serverLog keeps the end of what a server says, and notices when it says that it is ready.
type serverLog struct {
	ready chan struct{} // closed then

	mu   sync.Mutex // guards the rest
	text []byte
	said bool
}

func newServerLog() *serverLog { return &serverLog{ready: make(chan struct{})} }

func (l *serverLog) Write(p []byte) (int, error) {
	const keep = 8 << 10
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, p...)
	if !l.said && bytes.Contains(l.text, []byte("database system is ready to accept connections")) {
		l.said = true
		close(l.ready)
	}
	if len(l.text) > 2*keep {
		l.text = append([]byte(nil), l.text[len(l.text)-keep:]...)
	}
	return len(p), nil
}

func (l *serverLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text)
}
