package main

import "golang.org/x/sys/unix"

// limitMemory bounds the address space that each test may take: where the end of a loop is taken out, it may take all that there is.
func limitMemory() error {
	const most = 8 << 30
	return unix.Setrlimit(unix.RLIMIT_AS, &unix.Rlimit{Cur: most, Max: most})
}
