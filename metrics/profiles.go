package metrics

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dustin/go-humanize"
)

const (
	defaultProfilesKeep     = 4
	defaultProfilesMaxBytes = 4 << 20

	profilePrefix = "heap-"
	profileSuffix = ".pb.gz"
	profileTime   = "20060102T150405.000000000Z" // sorts by time
	maxReason     = 32
)

// ErrProfileTooLarge is returned by [Profiles.Write] for a profile that would take
// more than ProfilesConfig.MaxBytes.
var ErrProfileTooLarge = errors.New("metrics: the heap profile is larger than ProfilesConfig.MaxBytes")

// ProfilesConfig configures [Profiles].
type ProfilesConfig struct {
	// Dir is the directory for the profiles. It is made if there is none. Nothing else should write
	// files there whose names begin with heap- and end with .pb.gz, and no other
	// process should use it.
	Dir string

	// Keep is how many profiles there are at most. Zero means 4.
	Keep int

	// MaxBytes is how large a profile may be, so that all of them take Keep times as much, the
	// one that is being written among them. Those that are there already, from a run with a
	// greater bound, stay until newer ones take their place. Zero means 4 MB.
	MaxBytes int64
}

// Validate reports the first field of c that breaks its rule, or nil.
func (c ProfilesConfig) Validate() error {
	switch {
	case c.Dir == "":
		return errors.New("metrics: ProfilesConfig.Dir is empty, want a directory")
	case c.Keep < 0:
		return fmt.Errorf("metrics: ProfilesConfig.Keep is %d, want zero or more", c.Keep)
	case c.MaxBytes < 0:
		return fmt.Errorf("metrics: ProfilesConfig.MaxBytes is %d, want zero or more", c.MaxBytes)
	}
	return nil
}

// Profiles keeps the last heap profiles in a directory, of which it never has more
// than Keep, those of earlier runs of the program among them. Give it to
// [WatchConfig] to have one written whenever the memory gets short, or call Write.
// Its methods are safe for concurrent use.
type Profiles struct {
	keep     int
	maxBytes int64
	root     *os.Root // so that no name leads out of the directory

	mu sync.Mutex // held while a profile is written
}

// NewProfiles returns the profiles in c.Dir, of which it removes the oldest if
// there are more than c.Keep.
func NewProfiles(c ProfilesConfig) (*Profiles, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("metrics: ProfilesConfig.Dir is %q, want a directory: %w", c.Dir, err)
	}
	root, err := os.OpenRoot(c.Dir)
	if err != nil {
		return nil, fmt.Errorf("metrics: ProfilesConfig.Dir is %q, want a directory: %w", c.Dir, err)
	}
	p := &Profiles{keep: orDefault(c.Keep, defaultProfilesKeep), maxBytes: orDefault(c.MaxBytes, defaultProfilesMaxBytes), root: root}
	if err := p.makeRoom(p.keep); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return p, nil
}

// A Profile is a heap profile in the format of pprof, which is a file.
type Profile struct {
	Name   string    `json:"name"` // of the file, without directory
	Reason string    `json:"reason"`
	At     time.Time `json:"at"` // just after the one before it if the clock has gone back
	Bytes  int64     `json:"bytes"`
}

// String returns the name, the time and the size.
func (p Profile) String() string {
	return fmt.Sprintf("%s, %s of %v", p.Name, humanize.Bytes(uint64(p.Bytes)), p.At.Format(time.DateTime))
}

// Write writes a heap profile and removes the oldest if there are too many. It
// shows the heap as the last cycle of the collector left it: a caller that wants
// the present one calls runtime.GC first. Of the reason, letters, digits
// and dashes become part of the name, at most 32 of them. The profile is composed
// in memory, of which that takes three times what it is long at most, beside what pprof itself needs, and takes some
// milliseconds; a file of it appears as a whole or not at all. Calls at the same time write one after the other.
func (p *Profiles) Write(reason string) (Profile, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	body := limitedBuffer{limit: p.maxBytes}
	if err := pprof.Lookup("heap").WriteTo(&body, 0); err != nil {
		return Profile{}, fmt.Errorf("metrics: heap profile: %w", err)
	}
	if body.over { // pprof does not report what its writer says
		return Profile{}, ErrProfileTooLarge
	}
	at, err := p.next()
	if err != nil {
		return Profile{}, err
	}
	if err := p.makeRoom(p.keep - 1); err != nil {
		return Profile{}, err
	}
	reason = slug(reason)
	name := profilePrefix + at.Format(profileTime) + "-" + reason + profileSuffix
	if err := p.store(name, body.Bytes()); err != nil {
		return Profile{}, fmt.Errorf("metrics: heap profile: %w", err)
	}
	return Profile{Name: name, Reason: reason, At: at, Bytes: int64(body.Len())}, nil
}

// next returns the time of the next profile: now, or after the newest there is if
// the clock has gone back, so that it does not count as the oldest.
func (p *Profiles) next() (time.Time, error) {
	profiles, err := p.List()
	if err != nil {
		return time.Time{}, err
	}
	at := time.Now().UTC()
	if len(profiles) > 0 && !at.After(profiles[0].At) {
		at = profiles[0].At.Add(1)
	}
	return at, nil
}

// store writes a file as a whole or not at all. The name it has meanwhile is the
// same always, so that what a crash leaves is overwritten.
func (p *Profiles) store(name string, body []byte) error {
	const unfinished = profilePrefix + "unfinished"
	err := p.root.WriteFile(unfinished, body, 0o600)
	if err == nil {
		err = p.root.Rename(unfinished, name)
	}
	if err != nil {
		_ = p.root.Remove(unfinished) // it may never have been made
	}
	return err
}

// makeRoom removes the oldest profiles until there are at most n.
func (p *Profiles) makeRoom(n int) error {
	profiles, err := p.List()
	if err != nil {
		return err
	}
	for _, old := range profiles[min(n, len(profiles)):] {
		if err := p.root.Remove(old.Name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("metrics: heap profile: %w", err)
		}
	}
	return nil
}

// List returns the profiles there are, the newest first.
func (p *Profiles) List() ([]Profile, error) {
	entries, err := fs.ReadDir(p.root.FS(), ".")
	if err != nil {
		return nil, fmt.Errorf("metrics: heap profiles: %w", err)
	}
	var profiles []Profile
	for _, entry := range entries {
		at, reason, ok := parseProfileName(entry.Name())
		if !ok || !entry.Type().IsRegular() {
			continue
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed meanwhile
		} else if err != nil {
			return nil, fmt.Errorf("metrics: heap profiles: %w", err)
		}
		profiles = append(profiles, Profile{Name: entry.Name(), Reason: reason, At: at, Bytes: info.Size()})
	}
	slices.Reverse(profiles) // names sort by time
	return profiles, nil
}

// Open opens a profile for reading. The error is [fs.ErrNotExist] if there is none
// of that name, or no longer one.
func (p *Profiles) Open(name string) (fs.File, error) {
	if _, _, ok := parseProfileName(name); !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return p.root.Open(name)
}

func parseProfileName(name string) (at time.Time, reason string, ok bool) {
	middle, ok := strings.CutSuffix(name, profileSuffix)
	if !ok {
		return time.Time{}, "", false
	}
	middle, ok = strings.CutPrefix(middle, profilePrefix)
	if !ok || len(middle) <= len(profileTime) || middle[len(profileTime)] != '-' {
		return time.Time{}, "", false
	}
	at, err := time.Parse(profileTime, middle[:len(profileTime)])
	reason = middle[len(profileTime)+1:]
	return at, reason, err == nil && reason == slug(reason)
}

// slug returns what of s may be part of a file's name, or "unknown" if nothing may.
func slug(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if b.Len() == maxReason {
			break
		}
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' {
			b.WriteByte(c)
		}
	}
	if b.Len() == 0 {
		return "unknown"
	}
	return b.String()
}

// A limitedBuffer holds at most limit bytes and remembers that there were more.
type limitedBuffer struct {
	bytes.Buffer
	limit int64
	over  bool
}

func (b *limitedBuffer) Write(p []byte) (int, error) {
	if b.over || int64(b.Len())+int64(len(p)) > b.limit {
		b.over = true
		return 0, ErrProfileTooLarge
	}
	return b.Buffer.Write(p)
}
