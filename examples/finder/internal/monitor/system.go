package monitor

import (
	"os"
	"sync"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/disk"
	"github.com/shirou/gopsutil/v4/process"

	"github.com/ministryfinder/bounded/metrics"
)

// A system tells what the library's metrics do not: the address space of the process, and how busy the machine
// is. What the machine does not tell is unknown, or nil.
type system struct {
	self *process.Process // nil: unknown
	disk string           // a directory of the disk in question

	mu   sync.Mutex    // guards what follows
	last cpu.TimesStat // zero: none yet
	busy *float64      // percent, between the last two looks; at first since the machine was started
}

func newSystem() *system {
	s := &system{disk: "."}
	if p, err := process.NewProcess(int32(os.Getpid())); err == nil {
		s.self = p
	}
	s.look()
	return s
}

// look notes how busy the processors have been since the last look.
func (s *system) look() {
	times, err := cpu.Times(false)
	if err != nil || len(times) != 1 {
		return
	}
	now := times[0]
	s.mu.Lock()
	defer s.mu.Unlock()
	if all := total(now) - total(s.last); all > 0 {
		share := round(100 * min(max(1-(idle(now)-idle(s.last))/all, 0), 1))
		s.busy = &share
	}
	s.last = now
}

// total is all time of the processors. User has that of guests in it already.
func total(t cpu.TimesStat) float64 {
	return t.User + t.System + t.Nice + t.Irq + t.Softirq + t.Steal + idle(t)
}

func idle(t cpu.TimesStat) float64 { return t.Idle + t.Iowait }

// cpuPercent is how busy the processors were.
func (s *system) cpuPercent() *float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.busy
}

// diskPercent is how full the disk is that the program runs on.
func (s *system) diskPercent() *float64 {
	usage, err := disk.Usage(s.disk)
	if err != nil {
		return nil
	}
	v := round(usage.UsedPercent)
	return &v
}

// virtual is the address space of the process.
func (s *system) virtual() metrics.Bytes {
	if s.self == nil {
		return metrics.Bytes{}
	}
	info, err := s.self.MemoryInfo()
	if err != nil {
		return metrics.Bytes{}
	}
	return metrics.BytesOf(int64(info.VMS))
}
