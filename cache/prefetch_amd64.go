package cache

// fetchesForWriting is whether the processor knows PREFETCHW: all but the first that had words of 64 bits do.
var fetchesForWriting = knowsPREFETCHW()

func knowsPREFETCHW() bool
