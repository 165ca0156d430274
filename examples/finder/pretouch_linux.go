package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// populateRead has the kernel map pages of which nothing is changed, and read those from the disk that are not
// in memory (madvise(2), Linux 5.14). Package syscall does not know it.
const populateRead = 22

// pretouch makes all of the program resident that is only read: its code, its constants, and the runtime's
// tables of both. These are pages of its file, which the kernel takes back when memory is short. Without it
// they come with the first use, 64 kB at a time: the memory seems to grow for as long as there is something
// that has not happened yet, and what happens for the first time, which is often an error, waits for the disk.
// Java has AlwaysPreTouch for the same reasons.
func pretouch() error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return err
	}
	var errs []error
	for line := range strings.Lines(string(maps)) {
		var from, to uintptr
		var may string
		if _, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &may); err != nil {
			return err
		}
		if !strings.HasSuffix(strings.TrimSpace(line), " "+program) || !strings.HasPrefix(may, "r-") {
			continue
		}
		if _, _, errno := syscall.Syscall(syscall.SYS_MADVISE, from, to-from, populateRead); errno != 0 {
			errs = append(errs, errno)
		}
	}
	return errors.Join(errs...)
}
