package login

import "strings"

// Surroundings are what [ChooseFlow] looks at.
type Surroundings struct {
	Getenv func(name string) string
	OS     string // runtime.GOOS
	// Terminal: somebody can answer a question.
	Terminal bool
	// WSL: a Windows with a browser is around us.
	WSL bool
}

// SSHSession: the person sits at another computer, whose browser cannot reach this one's loopback addresses.
func (s Surroundings) SSHSession() bool {
	return s.Getenv("SSH_CONNECTION") != "" || s.Getenv("SSH_TTY") != "" || s.Getenv("SSH_CLIENT") != ""
}

// BrowserHere is whether a browser that is started here is one that the person sees. BROWSER is set by people, and by editors
// that work on a remote computer and bring the page and its port to the near one.
func (s Surroundings) BrowserHere() bool {
	switch {
	case s.Getenv("BROWSER") != "":
		return true
	case s.SSHSession():
		return false
	case s.OS == "darwin" || s.OS == "windows" || s.WSL:
		return true
	}
	return s.Getenv("DISPLAY") != "" || s.Getenv("WAYLAND_DISPLAY") != "" || isTermux(s.Getenv)
}

// isTermux: a terminal on an Android device, which starts the device's browser.
func isTermux(getenv func(string) string) bool {
	return getenv("TERMUX_VERSION") != "" || strings.Contains(getenv("PREFIX"), "com.termux")
}

// ChooseFlow finds the kind of flow that works here. Where no browser is, somebody at a terminal gets the device flow if the
// provider is known to bind ID tokens to a key in it, which is asked for then alone, and else pastes the answer. Without a terminal nobody can paste: that is
// [FlowBrowser], whose address is printed for whatever program is able to open it.
func ChooseFlow(s Surroundings, deviceBinds func() bool) FlowKind {
	switch {
	case s.BrowserHere() || !s.Terminal:
		return FlowBrowser
	case deviceBinds():
		return FlowDevice
	}
	return FlowPaste
}
