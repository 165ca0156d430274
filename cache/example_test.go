package cache_test

import (
	"context"
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
