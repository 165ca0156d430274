package trace_test

import (
	"bytes"
	"compress/gzip"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/ministryfinder/bounded/examples/versus/internal/trace"
	"github.com/stretchr/testify/require"
)

func TestReadRenumbersKeys(t *testing.T) {
	got, err := trace.Read(strings.NewReader("70\n3\n70\n"))
	require.NoError(t, err)
	require.Equal(t, trace.Trace{Keys: []uint32{0, 1, 0}, Distinct: 2}, got)
}

func TestReadTakesSizes(t *testing.T) {
	got, err := trace.Read(strings.NewReader("0 68\n1 7\n0 70\n"))
	require.NoError(t, err)
	require.Equal(t, trace.Trace{Keys: []uint32{0, 1, 0}, Sizes: []uint32{68, 7, 70}, Distinct: 2}, got)
	require.Equal(t, int64(77), got.Bytes())
}

func TestReadRefusesOtherLines(t *testing.T) {
	for _, text := range []string{"x\n", "1 \n", " 1\n", "1 2 3\n", "-1\n", "\n"} {
		_, err := trace.Read(strings.NewReader("5\n" + text))
		require.ErrorContains(t, err, "line 2 is", "%q", text)
	}
	_, err := trace.Read(strings.NewReader("1 2\n1\n"))
	require.EqualError(t, err, "line 2: some lines have a size and some have none")
	_, err = trace.Read(strings.NewReader("1\n1 2\n"))
	require.EqualError(t, err, "line 2: some lines have a size and some have none")
}

func TestReadDirReadsPlainAndZippedFiles(t *testing.T) {
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	_, err := w.Write([]byte("1\n2\n"))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	traces, err := trace.ReadDir(fstest.MapFS{
		"README.md":   {Data: []byte("words")},
		"a.txt.gz":    {Data: zipped.Bytes()},
		"b_plain.txt": {Data: []byte("4\n")},
	})
	require.NoError(t, err)
	require.Equal(t, []trace.Trace{
		{Name: "a", Keys: []uint32{0, 1}, Distinct: 2},
		{Name: "b_plain", Keys: []uint32{0}, Distinct: 1},
	}, traces)

	_, err = trace.ReadDir(fstest.MapFS{"README.md": {}})
	require.Error(t, err)
	_, err = trace.ReadDir(fstest.MapFS{"a.txt": {Data: []byte("x")}})
	require.ErrorContains(t, err, "a.txt: line 1 is \"x\"")
}

// By hand, capacity 2, accesses a b c a b c a b:
//
//	LRU:    a- b- c-(a goes) a-(b) b-(c) c-(a) a-(b) b-(c): no hit
//	Belady: a- b- c-(c is last: not taken in) a+ b+ c-(b or c) a+ ...
func TestPoliciesOnALoop(t *testing.T) {
	loop := trace.Trace{Keys: []uint32{0, 1, 2, 0, 1, 2, 0, 1}, Distinct: 3}
	require.Equal(t, trace.Score{Accesses: 8, Bytes: 8}, loop.LRU(2, false))
	// a- b- c-(out at once) a+ b+ (b again at 7) c-(never again: out) a+ b+
	require.Equal(t, trace.Score{Hits: 4, Accesses: 8, HitBytes: 4, Bytes: 8}, loop.Belady(2))
}

// By hand, capacity 2, accesses a b a c a b:
//
//	LRU:    a- b- a+ c-(b goes) a+ b-(c goes): 2
//	Belady: a- b- a+ c-(never again: not taken in) a+ b+: 3
func TestPoliciesOnAHotKey(t *testing.T) {
	hot := trace.Trace{Keys: []uint32{0, 1, 0, 2, 0, 1}, Distinct: 3}
	require.Equal(t, 2, hot.LRU(2, false).Hits)
	require.Equal(t, 3, hot.Belady(2).Hits)
	require.Equal(t, 0.5, hot.Belady(2).Ratio())
}

// By hand, 10 bytes: a(6)- b(3)- a+ c(20)-(too large) b+ d(5)-(a goes) a-(b and d go).
func TestLRUOverBytes(t *testing.T) {
	sized := trace.Trace{Keys: []uint32{0, 1, 0, 2, 1, 3, 0}, Sizes: []uint32{6, 3, 6, 20, 3, 5, 6}, Distinct: 4}
	got := sized.LRU(10, true)
	require.Equal(t, trace.Score{Hits: 2, Accesses: 7, HitBytes: 9, Bytes: 49}, got)
	require.InDelta(t, 9.0/49, got.ByteRatio(), 1e-12)
}

func TestBeladyIsNeverWorseThanLRU(t *testing.T) {
	for _, tr := range trace.Synthetic(20_000) {
		for _, capacity := range []int{1, 20, 200, tr.Distinct} {
			lru, best := tr.LRU(int64(capacity), false), tr.Belady(capacity)
			require.LessOrEqual(t, lru.Hits, best.Hits, "%s at %d", tr.Name, capacity)
			if capacity == tr.Distinct {
				require.Equal(t, len(tr.Keys)-tr.Distinct, best.Hits)
				require.Equal(t, best, lru)
			}
		}
	}
}

func TestSyntheticIsAlwaysTheSame(t *testing.T) {
	require.Equal(t, trace.Synthetic(1000), trace.Synthetic(1000))
	for _, tr := range trace.Synthetic(1000) {
		require.Len(t, tr.Keys, 1000)
		require.Greater(t, tr.Distinct, 20)
	}
}
