package cache_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ministryfinder/bounded/cache"
)

func ExampleNew() {
	c, err := cache.New(cache.Config[string, []byte]{
		MaxEntries: 500,
		MaxBytes:   50_000_000,
		TTL:        5 * time.Minute,
	})
	if err != nil {
		panic(err)
	}
	c.Set("greeting", []byte("hello"))
	if v, ok := c.Get("greeting"); ok {
		fmt.Println(string(v))
	}
	// Output: hello
}

func ExampleCache_GetOrLoad() {
	c, _ := cache.New(cache.Config[int, string]{MaxEntries: 500})
	load := func(_ context.Context, id int) (string, error) {
		fmt.Println("loading", id)
		return fmt.Sprint("user ", id), nil
	}
	for range 2 {
		name, err := c.GetOrLoad(context.Background(), 7, load)
		fmt.Println(name, err)
	}
	// Output:
	// loading 7
	// user 7 <nil>
	// user 7 <nil>
}

func ExampleConfig_onRemove() {
	c, _ := cache.New(cache.Config[string, int]{
		MaxEntries: 1,
		OnRemove:   func(key string, _ int, why cache.Reason) { fmt.Println(key, "was", why) },
	})
	c.Set("a", 1)
	c.Set("b", 2)
	c.Delete("b")
	// Output:
	// a was evicted
	// b was deleted
}

func ExampleCache_All() {
	c, _ := cache.New(cache.Config[string, int]{MaxEntries: 10})
	c.Set("a", 1)
	c.Set("b", 2)
	sum := 0
	for _, v := range c.All() {
		sum += v
	}
	fmt.Println(sum)
	// Output: 3
}

func ExampleCache_Shrink() {
	c, _ := cache.New(cache.Config[int, int]{MaxEntries: 100})
	for i := range 100 {
		c.Set(i, i)
	}
	fmt.Println(c.Shrink(0.5), "went,", c.Len(), "stay")
	// Output: 50 went, 50 stay
}

func ExampleCache_GetOrLoadMany() {
	c, _ := cache.New(cache.Config[int, string]{MaxEntries: 500})
	c.Set(1, "one")
	names := map[int]string{2: "two"}
	results := c.GetOrLoadMany(context.Background(), []int{1, 2, 3}, func(_ context.Context, missing []int) (map[int]string, error) {
		fmt.Println("loading", missing)
		return names, nil
	})
	for _, r := range results {
		fmt.Printf("%q %v\n", r.Value, r.Err)
	}
	// Output:
	// loading [2 3]
	// "one" <nil>
	// "two" <nil>
	// "" cache: the loader returned no value for the key
}

func ExampleConfig_staleIfError() {
	c, _ := cache.New(cache.Config[string, string]{MaxEntries: 500, StaleIfError: time.Hour})
	c.SetTTL("parish", "St. Edith", time.Nanosecond) // over by now
	name, err := c.GetOrLoad(context.Background(), "parish", func(context.Context, string) (string, error) {
		return "", errors.New("the database is down")
	})
	fmt.Println(name, err, c.Stats().StaleOnError)
	// Output: St. Edith <nil> 1
}

func ExampleConfig_negativeTTL() {
	errNone := errors.New("no such user")
	c, _ := cache.New(cache.Config[int, string]{
		MaxEntries:  500,
		NegativeTTL: time.Minute,
		NegativeIf:  func(err error) bool { return errors.Is(err, errNone) },
	})
	for range 2 {
		_, err := c.GetOrLoad(context.Background(), 7, func(context.Context, int) (string, error) {
			fmt.Println("loading")
			return "", errNone
		})
		fmt.Println(err)
	}
	// Output:
	// loading
	// no such user
	// no such user
}

func ExampleMemo() {
	c, _ := cache.New(cache.Config[int, int]{MaxEntries: 500})
	square := cache.Memo(c, func(_ context.Context, n int) (int, error) {
		fmt.Println("computing")
		return n * n, nil
	})
	for range 2 {
		fmt.Println(square(context.Background(), 12))
	}
	// Output:
	// computing
	// 144 <nil>
	// 144 <nil>
}

func ExampleMemoBy() {
	type trip struct{ from, to string }
	c, _ := cache.New(cache.Config[string, int]{MaxEntries: 500})
	miles := cache.MemoBy(c, func(t trip) string { return t.from + " to " + t.to },
		func(_ context.Context, t trip) (int, error) { return len(t.from) * len(t.to), nil })
	fmt.Println(miles(context.Background(), trip{"Austin", "Waco"}))
	_, remembered := c.Get("Austin to Waco")
	fmt.Println(remembered)
	// Output:
	// 24 <nil>
	// true
}

func ExampleGroup() {
	c, _ := cache.New(cache.Config[string, string]{MaxEntries: 500, Groups: true})
	ministries := c.Group("ministries")
	ministries.Set("choir", "sings")
	ministries.Set("ushers", "greet")
	c.Set("parish", "St. Edith")
	ministries.Invalidate()
	for key := range c.Keys() {
		fmt.Println(key)
	}
	// Output: parish
}

func ExampleCache_WriteTo() {
	c, _ := cache.New(cache.Config[string, int]{MaxEntries: 500})
	c.Set("a", 1)
	var snapshot bytes.Buffer
	if _, err := c.WriteTo(&snapshot); err != nil {
		panic(err)
	}
	next, _ := cache.New(cache.Config[string, int]{MaxEntries: 500})
	if _, err := next.ReadFrom(bytes.NewReader(snapshot.Bytes())); err != nil {
		panic(err)
	}
	fmt.Println(next.Get("a"))
	// Output: 1 true
}
