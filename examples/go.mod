module github.com/ministryfinder/bounded/examples

go 1.26

require github.com/ministryfinder/bounded v0.0.0

replace github.com/ministryfinder/bounded => ../
