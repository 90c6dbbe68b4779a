//go:build race

package allocation

// counts is false: the race detector allocates, too.
const counts = false
