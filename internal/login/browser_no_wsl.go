//go:build !unix || darwin

package login

func (Browser) isWSL() bool { return false }
