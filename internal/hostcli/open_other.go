//go:build !unix

package hostcli

const openNoFollow = 0
