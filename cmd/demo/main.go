// Demo shows the whole job on one computer: an OpenID provider, an SSH server, and the system's ssh between them.
package main

import (
	"os"

	"opkssh/internal/demo"
)

func main() { os.Exit(demo.Main(os.Args[1:])) }
