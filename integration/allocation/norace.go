//go:build !race

package allocation

const counts = true
