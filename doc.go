// Package bounded is the root of a library of in-memory data structures that cannot
// leak: every one of them has a bound, and the bound holds at every instant.
//
// It holds no code. The packages are
//
//   - [github.com/ministryfinder/bounded/cache], a TTL cache bounded in entries and bytes,
//   - [github.com/ministryfinder/bounded/ratelimit], login attempts by address in a capped table,
//   - [github.com/ministryfinder/bounded/metrics], ring buffers, capped series and memory alerts,
//   - [github.com/ministryfinder/bounded/sweep], the janitor that they share.
//
// None of them imports another; the example shows how an application wires them together.
package bounded
