package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// All pages of the program that are only read are resident afterwards, so that none can be added.
func TestTheProgramIsResident(t *testing.T) {
	if err := pretouch(); errors.Is(err, syscall.EINVAL) {
		t.Skip("Linux before 5.14")
	} else {
		require.NoError(t, err)
	}
	found, missing := programPages(t)
	for tries := 0; missing > 0 && tries < 10; tries++ { // where memory is short, the kernel may have taken some back
		require.NoError(t, pretouch())
		found, missing = programPages(t)
	}
	require.Zero(t, missing, "kB")
	require.GreaterOrEqual(t, found, 2, "code and constants")
}

// programPages returns how many parts of the program are only read, and how many kB of them are not resident.
func programPages(t *testing.T) (found, missing int) {
	program, err := os.Executable()
	require.NoError(t, err)
	smaps, err := os.ReadFile("/proc/self/smaps")
	require.NoError(t, err)
	read := false
	var size, resident int
	for line := range strings.Lines(string(smaps)) {
		switch fields := strings.Fields(line); {
		case strings.Contains(fields[0], "-"):
			read = fields[len(fields)-1] == program && strings.HasPrefix(fields[1], "r-")
		case read && fields[0] == "Size:":
			_, err = fmt.Sscan(fields[1], &size)
		case read && fields[0] == "Rss:":
			_, err = fmt.Sscan(fields[1], &resident)
			missing += size - resident
			found++
		}
		require.NoError(t, err)
	}
	return found, missing
}
