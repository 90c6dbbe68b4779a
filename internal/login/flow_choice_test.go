package login_test

import (
	"testing"

	"opkssh/internal/login"
)

func TestChooseFlow(t *testing.T) {
	const browser, paste, device = login.FlowBrowser, login.FlowPaste, login.FlowDevice
	type env = map[string]string
	ssh := "192.0.2.1 5000 192.0.2.2 22"
	for name, c := range map[string]struct {
		os   string
		env  env
		wsl  bool
		want login.FlowKind // for somebody at a terminal, with a provider that is like most
	}{
		"X":                          {"linux", env{"DISPLAY": ":0"}, false, browser},
		"Wayland":                    {"linux", env{"WAYLAND_DISPLAY": "wayland-0"}, false, browser},
		"console or container":       {"linux", nil, false, paste},
		"container with a browser":   {"linux", env{"BROWSER": "/usr/bin/open-on-host"}, false, browser},
		"ssh":                        {"linux", env{"SSH_CONNECTION": ssh}, false, paste},
		"ssh, terminal alone":        {"linux", env{"SSH_TTY": "/dev/pts/0"}, false, paste},
		"ssh with X forwarded":       {"linux", env{"SSH_CONNECTION": ssh, "DISPLAY": "localhost:10.0"}, false, paste},
		"ssh from an editor":         {"linux", env{"SSH_CONNECTION": ssh, "BROWSER": "/home/alice/.editor/browser.sh"}, false, browser},
		"WSL":                        {"linux", env{"WSL_DISTRO_NAME": "Debian"}, true, browser},
		"ssh to WSL":                 {"linux", env{"SSH_CONNECTION": ssh}, true, paste},
		"macOS":                      {"darwin", nil, false, browser},
		"ssh to macOS":               {"darwin", env{"SSH_CONNECTION": ssh}, false, paste},
		"Windows":                    {"windows", nil, false, browser},
		"ssh to Windows":             {"windows", env{"SSH_CLIENT": "192.0.2.1 5000 22"}, false, paste},
		"Termux":                     {"android", env{"TERMUX_VERSION": "0.118"}, false, browser},
		"Termux, a program of Linux": {"linux", env{"PREFIX": "/data/data/com.termux/files/usr"}, false, browser},
		"ssh to Termux":              {"android", env{"TERMUX_VERSION": "0.118", "SSH_CONNECTION": ssh}, false, paste},
		"FreeBSD with X":             {"freebsd", env{"DISPLAY": ":0"}, false, browser},
	} {
		t.Run(name, func(t *testing.T) {
			s := login.Surroundings{Getenv: func(name string) string { return c.env[name] }, OS: c.os, WSL: c.wsl, Terminal: true}
			binds := c.want
			if binds == paste {
				binds = device
			}
			answers := func(answer bool) func() bool { return func() bool { return answer } }
			if got := login.ChooseFlow(s, answers(false)); got != c.want {
				t.Errorf("expected %s, got %s", c.want, got)
			}
			if got := login.ChooseFlow(s, answers(true)); got != binds {
				t.Errorf("with a device flow that binds: expected %s, got %s", binds, got)
			}
			s.Terminal = false
			for _, deviceBinds := range []bool{false, true} {
				if got := login.ChooseFlow(s, answers(deviceBinds)); got != browser {
					t.Errorf("without a terminal: expected %s, got %s", browser, got)
				}
			}
		})
	}
}

func TestParseFlowKind(t *testing.T) {
	for _, name := range []string{"auto", "browser", "paste", "device"} {
		if got, err := login.ParseFlowKind(name); err != nil || string(got) != name {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
	for _, name := range []string{"", "Paste", "paste ", "code", "auto,paste"} {
		if got, err := login.ParseFlowKind(name); err == nil || got != "" {
			t.Errorf("%q: got %q", name, got)
		}
	}
}

func TestFlowHasToBeChosen(t *testing.T) {
	for _, kind := range []login.FlowKind{login.FlowAuto, "other"} {
		flow := newOpenIDProvider(t).flow(nil)
		flow.Kind = kind
		_, err := flow.Login(t.Context(), newClient(t))
		wantCode(t, err, login.CodeConfiguration)
	}
}
