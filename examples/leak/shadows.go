//go:build !race

package main

const shadows = 1
