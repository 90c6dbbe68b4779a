//go:build !linux

package login

import "net/http"

// isStranger knows nobody here.
func isStranger(*http.Request) bool { return false }
