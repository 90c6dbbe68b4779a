package hostcli

import (
	"context"

	"opkssh/internal/sandbox"
)

// checkSandbox looks at what a login gives up, on this machine.
func (a *auditor) checkSandbox(context.Context) {
	if a.config == nil {
		return // said elsewhere
	}
	if !a.config.Sandbox {
		a.warning(codeSandboxOff, "config.yml has sandbox: false: what comes from the network is looked at by a process that may start programs",
			"take the line out, and verifier doctor USER if somebody cannot log in then")
		return
	}
	for _, missing := range sandbox.Missing() {
		a.note(codeSandboxIncomplete, "this kernel cannot take everything from the verifier: "+missing, "")
	}
}
