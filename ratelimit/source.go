package ratelimit

import (
	"encoding/binary"
	"net/netip"
)

// A source is whom an address stands for, in one word: the upper half of an IPv6 address. For IPv4 that is the
// upper half of its 6to4 network, 2002:a.b.c.d::/48, which is no source of IPv6, as all addresses in it are of
// IPv4.
type source uint64

type family uint8

const (
	ipv4 family = iota
	ipv6
	families
)

const (
	sixToFourBits = 16 // of the prefix 2002::/16, before the address of IPv4
	sixToFourNet  = 0x2002 << (64 - sixToFourBits)
)

// source4 returns the source of an address of IPv4.
func source4(addr uint32) source {
	return sixToFourNet | source(addr)<<(64-sixToFourBits-32)
}

// newSource returns the source of a family with those bits: the address of IPv4, or the upper half of that of IPv6.
func newSource(bits uint64, f family) source {
	if f == ipv4 {
		return source4(uint32(bits))
	}
	return source(bits)
}

func (s source) family() family {
	if s>>(64-sixToFourBits) == sixToFourNet>>(64-sixToFourBits) {
		return ipv4
	}
	return ipv6
}

// bits is what newSource makes the source of.
func (s source) bits() uint64 {
	if s.family() == ipv4 {
		return uint64(s << sixToFourBits >> 32)
	}
	return uint64(s)
}

// sourceOf returns the source of an address, and reports whether the address is valid.
func sourceOf(addr netip.Addr) (source, bool) {
	switch {
	case addr.Is4():
		four := addr.As4()
		return source4(binary.BigEndian.Uint32(four[:])), true
	case addr.IsValid():
		return sourceOf16(addr.As16()), true
	}
	return 0, false
}

// sourceOf16 is sourceOf for an address of IPv6.
func sourceOf16(addr [16]byte) source {
	upper, lower := binary.BigEndian.Uint64(addr[:8]), binary.BigEndian.Uint64(addr[8:])
	switch {
	case upper == 0 && lower>>32 == 0xffff: // mapped: RFC 4291
		return source4(uint32(lower))
	case upper>>48 == 0x2002: // 6to4, RFC 3056: the address follows the prefix
		return source4(uint32(upper >> 16))
	case upper == 0x0064_ff9b_0000_0000 && lower>>32 == 0: // NAT64, RFC 6052: the address is at the end
		return source4(uint32(lower))
	case upper>>16 == 0x0064_ff9b_0001 && lower>>56 == 0: // NAT64 of a local network, RFC 8215
		return source4(embedded(upper, lower))
	case upper>>32 == 0x2001_0000: // Teredo, RFC 4380: the address is at the end, inverted
		return source4(^uint32(lower))
	}
	return source(upper)
}

// embedded returns the address of IPv4 in one of IPv6 that a local NAT64 made. Which part of 64:ff9b:1::/48
// that has for a prefix is up to the network, and nothing in the address says so. But what follows the address
// of IPv4 is zero (RFC 6052, 2.2), so a shorter prefix is told from a longer one by its zeros, except where the
// address itself ends in them: that of a network, which nobody has.
func embedded(upper, lower uint64) uint32 {
	switch {
	case lower<<24 == 0: // of 48 bits; the eight bits from the 64th on are always zero
		return uint32(upper<<16) | uint32(lower>>40)
	case lower<<32 == 0: // of 56
		return uint32(upper<<24) | uint32(lower>>32)
	case lower<<40 == 0: // of 64
		return uint32(lower >> 24)
	}
	return uint32(lower) // of 96
}

// prefix returns the addresses that the source stands for.
func (s source) prefix() netip.Prefix {
	if s.family() == ipv4 {
		var four [4]byte
		binary.BigEndian.PutUint32(four[:], uint32(s.bits()))
		return netip.PrefixFrom(netip.AddrFrom4(four), 32)
	}
	var sixteen [16]byte
	binary.BigEndian.PutUint64(sixteen[:8], uint64(s))
	return netip.PrefixFrom(netip.AddrFrom16(sixteen), 64)
}

// network returns the prefix of a length that the source is in.
func (s source) network(bits int) netip.Prefix {
	return netip.PrefixFrom(s.prefix().Addr(), bits).Masked()
}
