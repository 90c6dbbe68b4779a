//go:build countwork

// The compiler takes functions without a body, such as blockCounters, where there is assembly.
