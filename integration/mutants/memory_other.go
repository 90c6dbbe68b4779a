//go:build !linux

package main

// limitMemory is for Linux, where the tests of a host run.
func limitMemory() error { return nil }
