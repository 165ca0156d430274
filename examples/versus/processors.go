package main

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"
)

// processors are the numbers of processors that something is measured on: a flag, separated by commas.
type processors []int

func (p *processors) String() string { return strings.Join(p.list(), ",") }

func (p *processors) list() (list []string) {
	for _, n := range *p {
		list = append(list, strconv.Itoa(n))
	}
	return list
}

// words returns the numbers as a sentence has them.
func (p *processors) words() string {
	list := p.list()
	if last := len(list) - 1; last > 0 {
		return strings.Join(list[:last], ", ") + " and " + list[last]
	}
	return strings.Join(list, "")
}

// Set reads them. There must be as many, or what is measured would be the scheduler.
func (p *processors) Set(text string) error {
	*p = nil
	for word := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(word)
		if err != nil || n < 1 || n > runtime.NumCPU() {
			return fmt.Errorf("%q, want numbers from 1 to the %d processors of this machine, separated by commas", word, runtime.NumCPU())
		}
		*p = append(*p, n)
	}
	return nil
}
