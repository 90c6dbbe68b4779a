//go:build !countwork

package allocation

const countsWork = false

var work cost
