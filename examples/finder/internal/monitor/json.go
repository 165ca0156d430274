package monitor

import (
	"encoding/json"
	"math"
	"net/http"
	"time"

	"github.com/ministryfinder/bounded/metrics"

	"github.com/ministryfinder/bounded/examples/finder/internal/scratch"
)

// WriteJSON answers with v, which must be encodable, as indented JSON.
func WriteJSON(w http.ResponseWriter, status int, v any) {
	plain, body := scratch.Get(), scratch.Get()
	defer scratch.Put(plain)
	defer scratch.Put(body)
	if err := json.NewEncoder(plain).Encode(v); err != nil {
		panic(err) // a type of this program cannot be encoded
	}
	if err := json.Indent(body, plain.Bytes(), "", "  "); err != nil {
		panic(err) // what was encoded is no JSON
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // whoever went away misses nothing
}

// Units of the answers: those of the environment's sizes, in which 50MB are 50,000,000 bytes.
const (
	megabyte = 1e6
	gigabyte = 1e9
)

// in returns an amount in a unit, with three decimals, or nil if it is not known.
func in(b metrics.Bytes, unit float64) *float64 {
	n, ok := b.Get()
	if !ok {
		return nil
	}
	v := round(float64(n) / unit)
	return &v
}

// percent returns how much of the whole part is, or nil if either is not known.
func percent(part, whole metrics.Bytes) *float64 {
	p, okPart := part.Get()
	w, okWhole := whole.Get()
	if !okPart || !okWhole || w <= 0 {
		return nil
	}
	v := round(100 * float64(p) / float64(w))
	return &v
}

// used is what is not available.
func used(total, available metrics.Bytes) metrics.Bytes {
	t, okTotal := total.Get()
	a, okAvailable := available.Get()
	if !okTotal || !okAvailable {
		return metrics.Bytes{}
	}
	return metrics.BytesOf(t - a)
}

// seconds returns d in seconds, to the microsecond.
func seconds(d time.Duration) float64 { return d.Round(time.Microsecond).Seconds() }

// round leaves three decimals.
func round(v float64) float64 { return math.Round(v*1000) / 1000 }
