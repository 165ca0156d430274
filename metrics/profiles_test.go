package metrics_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ministryfinder/bounded/metrics"
	"github.com/stretchr/testify/require"
)

func newProfiles(t *testing.T, c metrics.ProfilesConfig) *metrics.Profiles {
	t.Helper()
	p, err := metrics.NewProfiles(c)
	require.NoError(t, err)
	return p
}

func TestProfilesConfigNamesFieldValueAndWant(t *testing.T) {
	for want, c := range map[string]metrics.ProfilesConfig{
		"metrics: ProfilesConfig.Dir is empty, want a directory":    {},
		"metrics: ProfilesConfig.Keep is -1, want zero or more":     {Dir: "x", Keep: -1},
		"metrics: ProfilesConfig.MaxBytes is -1, want zero or more": {Dir: "x", MaxBytes: -1},
	} {
		_, err := metrics.NewProfiles(c)
		require.EqualError(t, err, want)
	}
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := metrics.NewProfiles(metrics.ProfilesConfig{Dir: file})
	require.ErrorContains(t, err, "ProfilesConfig.Dir is \""+file+"\", want a directory: ")
}

func TestProfilesKeepsTheLast(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "here")
	p := newProfiles(t, metrics.ProfilesConfig{Dir: dir, Keep: 3})
	require.NoError(t, os.WriteFile(filepath.Join(dir, "heap-of-letters.txt"), []byte("not ours"), 0o600))
	var names []string
	for _, reason := range []string{"one", "two", "three", "four", "../../five!"} {
		profile, err := p.Write(reason)
		require.NoError(t, err)
		names = append(names, profile.Name)
		list, err := p.List()
		require.NoError(t, err)
		require.LessOrEqual(t, len(list), 3)
		require.Equal(t, profile, list[0])
	}
	list, err := p.List()
	require.NoError(t, err)
	require.Len(t, list, 3)
	require.Equal(t, "five", list[0].Reason)
	require.Equal(t, "three", list[2].Reason)
	require.WithinDuration(t, time.Now(), list[0].At, time.Minute)
	require.FileExists(t, filepath.Join(dir, "heap-of-letters.txt"), "files of others stay")

	_, err = p.Open(names[0])
	require.ErrorIs(t, err, fs.ErrNotExist)
	f, err := p.Open(names[4])
	require.NoError(t, err)
	defer f.Close()
	body, err := io.ReadAll(f)
	require.NoError(t, err)
	require.Len(t, body, int(list[0].Bytes))
	zip, err := gzip.NewReader(bytes.NewReader(body))
	require.NoError(t, err)
	plain, err := io.ReadAll(zip)
	require.NoError(t, err)
	require.Contains(t, string(plain), "inuse_space", "it is a heap profile")

	// After a restart with room for one, the last one is there.
	again := newProfiles(t, metrics.ProfilesConfig{Dir: dir, Keep: 1})
	list, err = again.List()
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, names[4], list[0].Name)
}

// What was written before the clock went back leaves first all the same.
func TestProfilesWhenTheClockGoesBack(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "heap-20990101T000000.000000000Z-future.pb.gz"), []byte("x"), 0o600))
	p := newProfiles(t, metrics.ProfilesConfig{Dir: dir, Keep: 2})
	var names []string
	for _, reason := range []string{"one", "two", "three"} {
		profile, err := p.Write(reason)
		require.NoError(t, err)
		names = append(names, profile.Name)
	}
	list, err := p.List()
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.Equal(t, names[2], list[0].Name)
	require.Equal(t, names[1], list[1].Name)
}

func TestNoNameLeadsOutOfTheDirectory(t *testing.T) {
	dir := t.TempDir()
	inner := filepath.Join(dir, "profiles")
	p := newProfiles(t, metrics.ProfilesConfig{Dir: inner})
	secret := "heap-20300101T000000.000000000Z-secret.pb.gz"
	require.NoError(t, os.WriteFile(filepath.Join(dir, secret), []byte("secret"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(inner, "password.txt"), []byte("secret"), 0o600))
	for _, name := range []string{"", ".", "..", "password.txt", "../" + secret, "/" + secret, "heap-20300101T000000.000000000Z-../../" + secret} {
		_, err := p.Open(name)
		require.ErrorIs(t, err, fs.ErrNotExist, name)
	}
	if err := os.Symlink(filepath.Join(dir, secret), filepath.Join(inner, secret)); err == nil {
		_, err := p.Open(secret)
		require.Error(t, err)
		list, err := p.List()
		require.NoError(t, err)
		require.Empty(t, list)
	}
}

func TestAProfileThatIsTooLargeLosesNothing(t *testing.T) {
	dir := t.TempDir()
	first, err := newProfiles(t, metrics.ProfilesConfig{Dir: dir, Keep: 1}).Write("first")
	require.NoError(t, err)
	p := newProfiles(t, metrics.ProfilesConfig{Dir: dir, Keep: 1, MaxBytes: 100})
	_, err = p.Write("second")
	require.ErrorIs(t, err, metrics.ErrProfileTooLarge)
	list, err := p.List()
	require.NoError(t, err)
	require.Equal(t, []metrics.Profile{first}, list)
}

func TestProfilesAtOnce(t *testing.T) {
	dir := t.TempDir()
	p := newProfiles(t, metrics.ProfilesConfig{Dir: dir, Keep: 2})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			profile, err := p.Write("at once")
			if err != nil || !strings.HasSuffix(profile.Name, "-atonce.pb.gz") {
				t.Error(profile, err)
			}
			if list, err := p.List(); err != nil || len(list) > 2 {
				t.Error(len(list), err)
			}
		})
	}
	wg.Wait()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 2)
}

func TestProfilesWithoutTheirDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gone")
	p := newProfiles(t, metrics.ProfilesConfig{Dir: dir})
	if err := os.Remove(dir); err != nil {
		return // an open directory cannot be removed here
	}
	_, err := p.Write("x")
	require.Error(t, err)
	require.False(t, errors.Is(err, metrics.ErrProfileTooLarge))
}
