package ratelimit_test

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/ministryfinder/bounded/ratelimit"
)

func addr4(n uint32) netip.Addr {
	var four [4]byte
	binary.BigEndian.PutUint32(four[:], n)
	return netip.AddrFrom4(four)
}

// lenient locks nobody while a benchmark runs over a thousand addresses or more: each is back after the
// window has passed, or almost.
var lenient = ratelimit.Config{Window: 200 * time.Microsecond, LongFailures: -1}

func BenchmarkTrackerFail(b *testing.B) {
	var addrs [1000]netip.Addr
	for i := range addrs {
		addrs[i] = addr4(10<<24 + uint32(i)*7919)
	}
	b.Run("addresses=1000/serial", func(b *testing.B) {
		tracker := newTracker(b, lenient)
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			a, _ := tracker.Begin(addrs[i%len(addrs)])
			a.Fail()
		}
	})
	b.Run("addresses=1000/parallel", func(b *testing.B) {
		tracker := newTracker(b, lenient)
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for i := 0; pb.Next(); i++ {
				a, _ := tracker.Begin(addrs[i%len(addrs)])
				a.Fail()
			}
		})
	})
	b.Run("addresses=1000/refused", func(b *testing.B) {
		tracker := newTracker(b, ratelimit.Config{})
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			_ = tracker.Fail(addrs[i%len(addrs)])
		}
	})
	b.Run("flood", func(b *testing.B) { // each address is new, at the bound
		tracker := newTracker(b, ratelimit.Config{})
		b.ReportAllocs()
		for n := uint32(0); b.Loop(); n++ {
			a, _ := tracker.Begin(addr4(n))
			a.Fail()
		}
	})
	b.Run("addresses=1000000", func(b *testing.B) {
		config := lenient
		config.MaxAddresses = 1_000_000
		tracker := newTracker(b, config)
		for n := range uint32(1_000_000) {
			_ = tracker.Fail(addr4(n))
		}
		b.ReportAllocs()
		for n := uint32(0); b.Loop(); n++ {
			a, _ := tracker.Begin(addr4(n * 7919 % 1_000_000))
			a.Fail()
		}
	})
}

// Attempts that are refused though nobody is locked out.
func BenchmarkTrackerDenied(b *testing.B) {
	denied := func(b *testing.B, begin func(n uint32) error) {
		b.ReportAllocs()
		for n := uint32(0); b.Loop(); n++ {
			if begin(n) == nil {
				b.Fatal("let in")
			}
		}
	}
	b.Run("open", func(b *testing.B) {
		tracker := newTracker(b, ratelimit.Config{})
		for range 5 {
			_, _ = tracker.Begin(addr4(1))
		}
		denied(b, func(uint32) error { return tracker.Fail(addr4(1)) })
	})
	b.Run("stranger", func(b *testing.B) { // of each of a thousand sources that the table forgot
		tracker := newTracker(b, ratelimit.Config{})
		var forgotten []netip.Addr
		for n := range uint32(3000) {
			_ = tracker.LockNow(addr4(n), time.Hour+time.Duration(n)*time.Second)
		}
		for n := range uint32(3000) {
			if _, tracked := tracker.Lookup(addr4(n)); !tracked && tracker.Check(addr4(n)) != nil {
				forgotten = append(forgotten, addr4(n))
			}
		}
		denied(b, func(n uint32) error { return tracker.Fail(forgotten[n%uint32(len(forgotten))]) })
	})
	b.Run("account", func(b *testing.B) {
		tracker := newTracker(b, ratelimit.Config{Window: 1000 * time.Hour}) // the next is let in after a hundred hours
		for n := range uint32(10) {
			_, _ = tracker.BeginLogin(ratelimit.Login{Addr: addr4(1<<31 + n), Account: "alice"})
		}
		denied(b, func(n uint32) error {
			_, err := tracker.BeginLogin(ratelimit.Login{Addr: addr4(n), Account: "alice"})
			return err
		})
	})
	b.Run("network", func(b *testing.B) {
		tracker := newTracker(b, ratelimit.Config{Prefixes: []ratelimit.PrefixLimit{{IPv4: true, Bits: 8, Failures: 50}}})
		for n := range uint32(50) {
			_ = tracker.Fail(addr4(10<<24 + n))
		}
		denied(b, func(n uint32) error { return tracker.Fail(addr4(10<<24 + n&(1<<24-1))) })
	})
	b.Run("listed", func(b *testing.B) {
		tracker := newTracker(b, ratelimit.Config{Deny: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}})
		denied(b, func(n uint32) error { return tracker.Fail(addr4(n)) })
	})
}

func BenchmarkTrackerCheck(b *testing.B) {
	tracker := newTracker(b, ratelimit.Config{})
	for n := range uint32(1000) {
		_ = tracker.Fail(addr4(n))
	}
	b.Run("known", func(b *testing.B) {
		for n := uint32(0); b.Loop(); n++ {
			_ = tracker.Check(addr4(n % 1000))
		}
	})
	b.Run("new", func(b *testing.B) {
		for n := uint32(1000); b.Loop(); n++ {
			_ = tracker.Check(addr4(n))
		}
	})
}
