//go:build !linux

package sandbox

import "errors"

// Supported is whether [Enter] does anything on this system.
const Supported = false

// CloseMemory is for Linux.
func CloseMemory() error { return nil }

// Enter is supported on Linux alone.
func Enter(Limits) error { return errors.New("a sandbox is supported on Linux alone") }

// Missing is what this system cannot take away.
func Missing() []string { return []string{"everything: a sandbox is supported on Linux alone"} }
