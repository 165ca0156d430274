package metrics

import (
	"os"
	"syscall"
)

// pread reads from the start of a file that is open as fd. The ReadAt of os.File
// would call the system a second time to see the end, and that for most files of
// /proc and /sys makes their whole text anew.
func pread(_ *os.File, fd uintptr, buf []byte) (int, error) {
	for {
		n, err := syscall.Pread(int(fd), buf, 0)
		if err != syscall.EINTR {
			return n, err
		}
	}
}

// peakRSS returns the largest RSS that the process ever had.
func peakRSS() Bytes {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return Bytes{}
	}
	return BytesOf(int64(u.Maxrss) * 1024)
}
