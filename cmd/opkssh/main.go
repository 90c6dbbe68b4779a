// Command opkssh logs people in for ssh with their OpenID Connect identity.
package main

import (
	"os"

	"opkssh/internal/hostcli"
	"opkssh/internal/usercli"
)

func main() {
	os.Exit(usercli.Main(os.Args[1:], hostcli.CommandsFor))
}
