// Package sandbox takes from this process what it does not need. What is taken cannot be had back: not by this process, and not
// by anything that it could be made to start.
package sandbox

// Limits are what a process may still do. The zero value reads files, and nothing else.
type Limits struct {
	// Write are folders in which files may be made, changed and removed.
	Write []string
	// Connect are TCP ports that may be connected to. UDP, which finds addresses, stays open.
	Connect []uint16
}
