package alert

import "net/http"

// Through sends what is sent through t in place of the network, which a test with a clock of its own cannot use.
func (b *Board) Through(t http.RoundTripper) { b.client.Transport = t }
