// Package trace has sequences of accesses to replay against caches, read from files or
// made up, and reference policies to judge the caches by.
package trace

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"strings"
)

// A Trace is a sequence of accesses.
type Trace struct {
	Name     string
	Keys     []uint32 // renumbered in order of first sight: 0 to Distinct-1
	Sizes    []uint32 // in bytes, one for each access; nil if the trace has none
	Distinct int
}

// ReadDir reads all *.txt and *.txt.gz of a directory, in the order of their names.
func ReadDir(dir fs.FS) ([]Trace, error) {
	files, err := fs.ReadDir(dir, ".")
	if err != nil {
		return nil, err
	}
	var traces []Trace
	for _, file := range files {
		name, zipped := strings.CutSuffix(file.Name(), ".gz")
		name, isTrace := strings.CutSuffix(name, ".txt")
		if !isTrace {
			continue
		}
		t, err := readFile(dir, file.Name(), zipped)
		if err != nil {
			return nil, fmt.Errorf("trace: %s: %w", file.Name(), err)
		}
		t.Name = name
		traces = append(traces, t)
	}
	if len(traces) == 0 {
		return nil, fmt.Errorf("trace: no *.txt or *.txt.gz in the directory")
	}
	return traces, nil
}

func readFile(dir fs.FS, name string, zipped bool) (Trace, error) {
	file, err := dir.Open(name)
	if err != nil {
		return Trace{}, err
	}
	defer file.Close() // read only: nothing to lose
	if !zipped {
		return Read(file)
	}
	r, err := gzip.NewReader(file)
	if err != nil {
		return Trace{}, err
	}
	return Read(r)
}

// Read reads one access a line: a key, which is a number, and after a space perhaps a size in
// bytes. Either all lines have a size or none.
func Read(r io.Reader) (Trace, error) {
	var t Trace
	numbers := make(map[uint64]uint32)
	in := bufio.NewScanner(r)
	for line := 1; in.Scan(); line++ {
		key, size, fields, ok := parse(in.Bytes())
		if !ok {
			return Trace{}, fmt.Errorf("line %d is %q, want a key and perhaps a size", line, in.Text())
		}
		number, seen := numbers[key]
		if !seen {
			number = uint32(len(numbers))
			numbers[key] = number
		}
		t.Keys = append(t.Keys, number)
		if fields == 2 {
			t.Sizes = append(t.Sizes, size)
		}
		if len(t.Sizes) != 0 && len(t.Sizes) != len(t.Keys) {
			return Trace{}, fmt.Errorf("line %d: some lines have a size and some have none", line)
		}
	}
	t.Distinct = len(numbers)
	return t, in.Err()
}

// parse reads one or two decimal numbers. It is much faster than fmt.Sscan.
func parse(line []byte) (key uint64, size uint32, fields int, ok bool) {
	var numbers [2]uint64
	digits := 0
	for _, b := range line {
		switch {
		case b == ' ' && fields == 0 && digits > 0:
			fields, digits = 1, 0
		case b >= '0' && b <= '9' && digits < 19:
			numbers[fields] = 10*numbers[fields] + uint64(b-'0')
			digits++
		default:
			return 0, 0, 0, false
		}
	}
	return numbers[0], uint32(min(numbers[1], 1<<32-1)), fields + 1, digits > 0
}

// Bytes returns the size of all distinct keys together, each as it was last seen.
func (t Trace) Bytes() (sum int64) {
	last := make([]uint32, t.Distinct)
	for i, key := range t.Keys {
		last[key] = t.Sizes[i]
	}
	for _, size := range last {
		sum += int64(size)
	}
	return sum
}
