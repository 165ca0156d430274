package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/ministryfinder/bounded/examples/versus/internal/peer"
)

// An env is where a command writes to, and which peers it compares.
type env struct {
	out      io.Writer // tables
	progress io.Writer // what is going on
	svg      string    // directory for charts; empty: none are drawn
	only     []string  // names of peers; empty: all
	procs    processors
}

// choose returns the peers that can be bounded in that way and were asked for.
func choose[K peer.Key, V any](e *env, peers []peer.Peer[K, V], mode peer.Modes) (chosen []peer.Peer[K, V]) {
	for _, p := range peers {
		if p.Modes&mode != 0 && e.wants(p.Name) {
			chosen = append(chosen, p)
		}
	}
	return chosen
}

func (e *env) wants(name string) bool {
	if len(e.only) == 0 || name == peer.Ours {
		return true
	}
	for _, wanted := range e.only {
		if wanted == name {
			return true
		}
	}
	return false
}

// draw writes a chart into the directory for charts, if there is one.
func (e *env) draw(name string, chart io.WriterTo) error {
	if e.svg == "" {
		return nil
	}
	if err := os.MkdirAll(e.svg, 0o755); err != nil {
		return err
	}
	file, err := os.Create(filepath.Join(e.svg, name))
	if err != nil {
		return err
	}
	if _, err := chart.WriteTo(file); err != nil {
		file.Close()
		return err
	}
	return file.Close()
}

// A meter tells how far a command is, at most once a second.
type meter struct {
	w     io.Writer
	name  string
	total int
	begun time.Time

	mu   sync.Mutex // guards what follows
	done int
	told time.Time
}

func (e *env) meter(name string, total int) *meter {
	now := time.Now()
	return &meter{w: e.progress, name: name, total: total, begun: now, told: now}
}

// step says that one step of the total is done, and what it was.
func (m *meter) step(what string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done++
	if time.Since(m.told) < time.Second && m.done < m.total {
		return
	}
	m.told = time.Now()
	spent := time.Since(m.begun)
	left := spent * time.Duration(m.total-m.done) / time.Duration(m.done)
	fmt.Fprintf(m.w, "%s: %d of %d, %s; %v spent, %v left\n",
		m.name, m.done, m.total, what, spent.Round(time.Second), left.Round(time.Second))
}

// describe writes which machine, Go and versions the figures are of.
func describe(w io.Writer, now time.Time) {
	fmt.Fprintf(w, "%s, %d cores, %s/%s, %s, %s\n", processor(), runtime.NumCPU(),
		runtime.GOOS, runtime.GOARCH, runtime.Version(), now.Format(time.DateOnly))
	fmt.Fprintf(w, "%s\n\n", strings.Join(versions(), ", "))
}

// processor returns the model of the processor, where the system says it in a file.
func processor() string {
	file, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return "unknown processor"
	}
	defer file.Close() // read only: nothing to lose
	for in := bufio.NewScanner(file); in.Scan(); {
		if name, value, ok := strings.Cut(in.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}

// built returns the versions of the modules that this program was built with.
func built() map[string]string {
	versions := make(map[string]string)
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			versions[m.Path] = m.Version
		}
	}
	return versions
}

// versions returns each cache's name and version as this program was built with it.
func versions() (list []string) {
	built := built()
	for _, p := range peer.Strings() {
		if p.Name == peer.Ours {
			continue
		}
		version := built[p.Path]
		if version == "" {
			version = "(version unknown)"
		}
		list = append(list, p.Name+" "+version)
	}
	return list
}

// memoryOf returns the bytes of the heap that something points to, after a collection,
// and what s has taken beside the heap. A nil s has nothing.
func memoryOf(s any) int64 {
	for range 3 { // what is only found to be unused, or told to stop, by the one before
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if o, ok := s.(peer.OffHeap); ok {
		return int64(m.HeapAlloc) + o.OffHeap()
	}
	return int64(m.HeapAlloc)
}

// mix spreads consecutive numbers over all of 64 bits, each to a number of its own.
func mix(i uint64) uint64 {
	i ^= i >> 33
	i *= 0xff51afd7ed558ccd
	i ^= i >> 33
	i *= 0xc4ceb9fe1a85ec53
	return i ^ i>>33
}
