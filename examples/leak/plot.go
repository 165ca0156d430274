package main

import (
	"fmt"
	"io"
	"os"

	"github.com/guptarohit/asciigraph"
)

// plot draws both for a terminal.
func plot(out io.Writer, before, after history) {
	b, a, _ := curves(before, after)
	options := []asciigraph.Option{
		asciigraph.Height(14), asciigraph.Precision(0), asciigraph.Caption("resident memory in MB, by requests"),
	}
	if colorful(out) {
		options = append(options, asciigraph.SeriesLegends("before", "after"), asciigraph.SeriesColors(asciigraph.Red, asciigraph.Blue))
	}
	fmt.Fprintln(out, asciigraph.PlotMany([][]float64{b, a}, options...))
}

// colorful reports whether out is a terminal.
func colorful(out io.Writer) bool {
	file, ok := out.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
