package cache

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// FuzzCache turns bytes into operations on a small cache and a plain map. OnRemove
// tells the map of every loss, so that both must hold the same at every step.
func FuzzCache(f *testing.F) {
	f.Add([]byte("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"), uint8(4), uint8(0))
	f.Add([]byte(strings.Repeat("\x00\x10\x01\x21\x07\x33\x02\x05\x05\x80\x08\x01", 20)), uint8(0), uint8(4))
	f.Add([]byte(strings.Repeat("\x01\xff\x00\x33\x06\x00\x09\x20\x0a\x01\x00\x77", 20)), uint8(7), uint8(16))
	f.Fuzz(func(t *testing.T, ops []byte, maxEntries, maxKB uint8) {
		if maxEntries == 0 && maxKB < 8 {
			maxKB = 8
		}
		if maxKB > 0 && maxKB < 8 {
			maxKB += 8
		}
		if len(ops) > 2000 {
			return
		}
		synctest.Test(t, func(t *testing.T) { compare(t, ops, int(maxEntries), int64(maxKB)<<10) })
	})
}

type expected struct {
	value string
	until time.Time
}

func compare(t *testing.T, ops []byte, maxEntries int, maxBytes int64) {
	want := map[string]expected{}
	c := build(t, Config[string, string]{
		MaxEntries: maxEntries, MaxBytes: maxBytes,
		OnRemove: func(key, value string, reason Reason) {
			if reason == Refused {
				return
			}
			w, ok := want[key]
			if !ok || w.value != value {
				t.Fatalf("%s %q of %q, which held %q", reason, value, key, w.value)
			}
			if reason == Expired && time.Now().Before(w.until) {
				t.Fatalf("%q expired %v early", key, time.Until(w.until))
			}
			delete(want, key)
		},
	})
	base := c.Bytes()
	expired := func(key string) bool { // with the tenth of a millisecond that is allowed
		w, ok := want[key]
		return !ok || !time.Now().Before(w.until.Add(-100*time.Microsecond))
	}
	for step := 0; len(ops) >= 2; step++ {
		op, arg := ops[0], ops[1]
		ops = ops[2:]
		key := fmt.Sprint("k", arg%32)
		value := fmt.Sprint(step, strings.Repeat("v", int(arg)*int(arg)/8))
		set := func(stored bool, until time.Time) {
			if _, ok := want[key]; ok {
				t.Fatalf("%q was replaced in silence", key)
			}
			if stored {
				want[key] = expected{value, until}
			}
		}
		const life = 10 * time.Millisecond
		far := time.Now().Add(1000 * time.Hour)
		switch op % 12 {
		case 0, 1, 2:
			set(c.Set(key, value), far)
		case 3:
			set(c.SetTTL(key, value, life), time.Now().Add(life))
		case 4:
			w, ok := want[key]
			got, present := c.Get(key)
			switch {
			case present && (!ok || got != w.value || !time.Now().Before(w.until)):
				t.Fatalf("Get(%q) = %q, want %q, %v, until %v", key, got, w.value, ok, w.until)
			case !present && !expired(key):
				t.Fatalf("Get(%q) found nothing", key)
			}
		case 5:
			time.Sleep(time.Duration(arg) * 100 * time.Microsecond)
		case 6:
			was := expired(key)
			if deleted := c.Delete(key); deleted && want[key] != (expected{}) || !deleted && !was {
				t.Fatalf("Delete(%q) = %v", key, deleted)
			}
		case 7:
			c.Sweep()
			for key, w := range want {
				if time.Now().After(w.until) {
					t.Fatalf("%q was not swept", key)
				}
			}
		case 8:
			c.Shrink(float64(arg) / 255)
		case 9:
			kb := int64(arg%64) + 8
			if err := c.Resize(int(arg%16), kb<<10); err != nil {
				t.Fatal(err)
			}
		case 10:
			n := 0
			for key, got := range c.All() {
				if want[key].value != got {
					t.Fatalf("All has %q for %q, want %q", got, key, want[key].value)
				}
				n++
			}
			for key := range want {
				if expired(key) {
					n++
				}
			}
			if n < len(want) {
				t.Fatalf("All has %d, want %d", n, len(want))
			}
		case 11:
			if arg%8 == 0 {
				c.Clear()
			}
			c.DeleteFunc(func(key, _ string) bool { return key[len(key)-1] == '0'+arg%10 })
		}
		if c.Len() != len(want) {
			t.Fatalf("Len() = %d, want %d", c.Len(), len(want))
		}
		if n := c.MaxEntries(); n > 0 && c.Len() > n {
			t.Fatalf("Len() = %d, bound %d", c.Len(), n)
		}
		if n := c.MaxBytes(); n > 0 && c.Bytes() > n {
			t.Fatalf("Bytes() = %d, bound %d", c.Bytes(), n)
		}
	}
	checkInvariants(t, c)
	c.Clear()
	if c.Bytes() != base || c.Len() != 0 || len(want) != 0 {
		t.Fatalf("after Clear %d bytes, want %d; %d entries; %d known", c.Bytes(), base, c.Len(), len(want))
	}
	checkInvariants(t, c)
}
