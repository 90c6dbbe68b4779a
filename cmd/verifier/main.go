// Verifier is what sshd asks whether an OpenID Connect identity may log in.
package main

import (
	"os"

	"opkssh/internal/hostcli"
)

func main() { os.Exit(hostcli.Main(os.Args[1:])) }
