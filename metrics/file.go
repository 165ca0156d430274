package metrics

import (
	"errors"
	"io/fs"
	"os"
	"runtime"
)

// A file is open for reading again and again, or could not be opened.
type file struct {
	f   *os.File
	fd  uintptr
	err error
}

// openFile opens a file for the life of the probe, or until it fails.
func openFile(name string) file {
	f, err := os.Open(name)
	if err != nil {
		return file{err: err}
	}
	return file{f: f, fd: f.Fd()}
}

// noFile is a file that is not there.
var noFile = file{err: fs.ErrNotExist}

// read reads the file from its start into buf with one call of the system and
// returns what it read, which is cut if buf is too small. It returns the error
// with which the file could not be opened.
func (f *file) read(buf []byte) ([]byte, error) {
	if f.err != nil {
		return nil, f.err
	}
	n, err := pread(f.f, f.fd, buf)
	runtime.KeepAlive(f.f)
	if err != nil {
		return nil, err
	}
	return buf[:n], nil
}

// missing reports whether err says that there is no such file, which is an
// answer, unlike any other error.
func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }

func (f *file) close() {
	if f.f != nil {
		f.f.Close()
	}
	*f = noFile
}
