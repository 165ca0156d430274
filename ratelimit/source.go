package ratelimit

import (
	"encoding/binary"
	"net/netip"
)

// A source is whom an address stands for: it has no pointers, unlike netip.Addr.
type source struct {
	bits   uint64 // the address of IPv4, the upper half of that of IPv6
	family family
}

type family uint8

const (
	ipv4 family = iota
	ipv6
	families
)

var (
	sixToFour = netip.MustParsePrefix("2002::/16")    // RFC 3056: the address follows the prefix
	nat64     = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052: the address is at the end
	teredo    = netip.MustParsePrefix("2001::/32")    // RFC 4380: the address is at the end, inverted
)

// sourceOf returns the source of an address, and reports whether the address is valid.
func sourceOf(addr netip.Addr) (source, bool) {
	if !addr.IsValid() {
		return source{}, false
	}
	addr = addr.Unmap().WithZone("")
	if addr.Is4() {
		four := addr.As4()
		return source{uint64(binary.BigEndian.Uint32(four[:])), ipv4}, true
	}
	sixteen := addr.As16()
	switch {
	case sixToFour.Contains(addr):
		return source{uint64(binary.BigEndian.Uint32(sixteen[2:6])), ipv4}, true
	case nat64.Contains(addr):
		return source{uint64(binary.BigEndian.Uint32(sixteen[12:])), ipv4}, true
	case teredo.Contains(addr):
		return source{uint64(^binary.BigEndian.Uint32(sixteen[12:])), ipv4}, true
	}
	return source{binary.BigEndian.Uint64(sixteen[:8]), ipv6}, true
}

// prefix returns the addresses that the source stands for.
func (s source) prefix() netip.Prefix {
	if s.family == ipv4 {
		var four [4]byte
		binary.BigEndian.PutUint32(four[:], uint32(s.bits))
		return netip.PrefixFrom(netip.AddrFrom4(four), 32)
	}
	var sixteen [16]byte
	binary.BigEndian.PutUint64(sixteen[:8], s.bits)
	return netip.PrefixFrom(netip.AddrFrom16(sixteen), 64)
}

// network returns the prefix of a length that the source is in.
func (s source) network(bits int) netip.Prefix {
	return netip.PrefixFrom(s.prefix().Addr(), bits).Masked()
}
