// Package policies holds the files that a host gets, as they are written there.
package policies

import "embed"

// UserName is the user, and its group, that sshd runs the verifier as.
const UserName = "opksshuser"

// ProgramPath is the program that the files name. Where a host has another one, it takes this one's place in them.
const ProgramPath = "/usr/local/bin/verifier"

//go:embed host
var files embed.FS

// HostFile is a file of folder host, such as providers or sshd.conf. A name that is not there panics.
func HostFile(name string) string {
	data, err := files.ReadFile("host/" + name)
	if err != nil {
		panic(err)
	}
	return string(data)
}
