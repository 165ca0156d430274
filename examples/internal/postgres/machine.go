package postgres

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	_ "embed"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

//go:embed install
var install []byte

// programs returns the folder of PostgreSQL's programs, the newest if there are several, and installs them if
// there are none.
func programs() (string, error) {
	if bin := installed(); bin != "" {
		return bin, nil
	}
	command := exec.Command("bash", "-s")
	command.Stdin = bytes.NewReader(install)
	if out, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("postgres: installing PostgreSQL: %w\n%s", err, out)
	}
	if bin := installed(); bin != "" {
		return bin, nil
	}
	return "", errors.New("postgres: PostgreSQL was installed, and initdb is still not to be found")
}

func installed() string {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb") // the pattern is a constant
	if len(found) > 0 {
		version := func(path string) int {
			n, _ := strconv.Atoi(strings.Split(path, "/")[4])
			return n
		}
		return filepath.Dir(slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) }))
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path)
	}
	return ""
}

// account returns whom the server must run as if that is another than the test: PostgreSQL refuses to run as root.
func account() (uid, gid int, other bool, err error) {
	if os.Geteuid() != 0 {
		return 0, 0, false, nil
	}
	postgres, err := user.Lookup("postgres") // Debian's package makes it
	if err != nil {
		return 0, 0, false, fmt.Errorf("postgres: PostgreSQL does not run as root: %w", err)
	}
	uid, errUID := strconv.Atoi(postgres.Uid)
	gid, errGID := strconv.Atoi(postgres.Gid)
	return uid, gid, true, errors.Join(errUID, errGID)
}

// freePort claims a port that is free and below those that the kernel gives away by itself, so that nobody gets it
// while a server is down.
func freePort() (port int, claim net.Listener, err error) {
	for range 100 {
		port = 15000 + mathrand.IntN(15000)
		if claim, err = claimPort(port); err == nil {
			return port, claim, nil
		}
	}
	return 0, nil, fmt.Errorf("postgres: no free port: %w", err)
}

// claimPort keeps a port from other servers of this package, those of other processes included, until the claim
// is closed. It listens at an address where no server does.
func claimPort(port int) (claim net.Listener, err error) {
	if claim, err = net.Listen("tcp", fmt.Sprintf("127.0.0.2:%d", port)); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return nil, errors.Join(err, claim.Close())
	}
	return claim, listener.Close()
}

// children returns the processes that parent has started.
func children(parent int) (pids []int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // ended meanwhile
		}
		// "PID (NAME) STATE PPID ...", and the name may hold anything.
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err == nil && len(fields) > 1 && fields[1] == strconv.Itoa(parent) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// writeCertificate writes server.crt and server.key, which nobody has signed, into dir.
func writeCertificate(dir string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(0, 0, 7),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "server.crt"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}), 0o600),
		os.WriteFile(filepath.Join(dir, "server.key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
}
