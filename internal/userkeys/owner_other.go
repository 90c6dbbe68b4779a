//go:build !unix

package userkeys

import "os"

// keepOwner does nothing: here a file has the rights of its folder.
func keepOwner(*os.File, string) {}

// keepOwnerOfFolder does nothing either.
func keepOwnerOfFolder(*os.File, string) {}
