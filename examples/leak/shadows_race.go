//go:build race

package main

// shadows is how many times as much memory as else a program may take: the race detector remembers who used
// each word.
const shadows = 2
