package verifier_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"opkssh/pkg/sshcert"
)

// plugin writes a program, and a file of policy.d that names it.
func (h *host) plugin(t *testing.T, name, mode, script string) (program string) {
	t.Helper()
	h.write(t, "programs/"+name, "#!/bin/sh\n"+script+"\n")
	chmod(t, h, "programs/"+name, 0o755)
	program = filepath.Join(h.config, "programs", name)
	h.write(t, "policy.d/"+name+".yml", "name: "+name+"\ncommand: "+program+"\nmode: "+mode+"\n")
	return program
}

var bob = map[string]any{"email": "bob@example.com", "email_verified": true}

func wantPlugin(t *testing.T, d map[string]any, h *host, name string) {
	t.Helper()
	if d["plugin"] != name || d["rule_file"] != filepath.Join(h.config, "policy.d", name+".yml") || d["rule_line"] != 2.0 {
		t.Errorf("log: expected the plugin %s, got %v", name, d)
	}
}

func TestPluginAllows(t *testing.T) {
	h := newHost(t)
	h.plugin(t, "10-no", "allow", "echo deny; exit 1")
	h.plugin(t, "20-bob", "allow", `[ "$OPKSSH_PLUGIN_EMAIL" = bob@example.com ] && [ "$OPKSSH_PLUGIN_U" = bob ] && echo allow`)
	id := h.issuer.Login(t, bob)
	a := h.verify(t, "bob", id.Certificate)
	wantLine(t, a, id)
	wantPlugin(t, a.decision(t), h, "20-bob")
	wantReason(t, h.verify(t, "alice", id.Certificate), "no-rule")

	// A rule decides before a plugin is asked.
	id = h.issuer.Login(t, alice)
	a = h.verify(t, "alice", id.Certificate)
	wantLine(t, a, id)
	if d := a.decision(t); d["plugin"] != nil || filepath.Base(d["rule_file"].(string)) != "auth_id" {
		t.Errorf("log: expected the rule, got %v", d)
	}
}

func TestPluginRequired(t *testing.T) {
	h := newHost(t)
	h.plugin(t, "10-all", "allow", "echo allow")
	h.plugin(t, "20-not-root", "require", `[ "$OPKSSH_PLUGIN_U" != root ] && echo allow`)
	for _, claims := range []map[string]any{alice, bob} {
		id := h.issuer.Login(t, claims)
		wantLine(t, h.verify(t, "alice", id.Certificate), id)
		wantPlugin(t, wantReason(t, h.verify(t, "root", id.Certificate), "plugin-required"), h, "20-not-root")
	}
}

// TestDenyWinsOverPlugins: and none is started.
func TestDenyWinsOverPlugins(t *testing.T) {
	for config, reason := range map[string]string{
		"deny_emails: [bob@example.com]":                          "denied-email",
		"deny_users: [bob]":                                       "denied-user",
		"deny: [{claim: 'email:bob@example.com'}]":                "denied-claim",
		"revoked_before: {bob@example.com: 2999-01-01T00:00:00Z}": "revoked",
		"deny_mails: []":                                          "configuration",
	} {
		h := newHost(t)
		ran := filepath.Join(h.cache, "ran")
		h.plugin(t, "all", "allow", ": >"+ran+"; echo allow")
		h.plugin(t, "required", "require", ": >"+ran+"; echo allow")
		h.write(t, "config.yml", config+"\nlog: {to: stderr}\n")
		args := h.arguments("bob", h.issuer.Login(t, bob).Certificate)
		wantReason(t, run(t, append([]string{"verify", "-v"}, args[1:]...)...), reason)
		if _, err := os.Stat(ran); err == nil {
			t.Errorf("%s: a plugin was started", reason)
		}
	}
}

// TestPluginsAreNotAskedAboutStrangers: an invalid token starts no program.
func TestPluginsAreNotAskedAboutStrangers(t *testing.T) {
	h := newHost(t)
	ran := filepath.Join(h.cache, "ran")
	h.plugin(t, "all", "allow", ": >"+ran+"; echo allow")
	wantReason(t, h.verify(t, "bob", h.issuer.Login(t, map[string]any{"aud": "other"}).Certificate), "audience")
	if _, err := os.Stat(ran); err == nil {
		t.Error("a plugin was started")
	}
}

// TestPluginProgramOthersCouldHaveWritten: it says no.
func TestPluginProgramOthersCouldHaveWritten(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, h *host, program string){
		"writable by others":    func(t *testing.T, h *host, program string) { check(t, os.Chmod(program, 0o757)) },
		"writable by the group": func(t *testing.T, h *host, program string) { check(t, os.Chmod(program, 0o775)) },
		"somebody else's":       func(t *testing.T, h *host, program string) { check(t, os.Chown(program, 12345, 0)) },
		"not executable":        func(t *testing.T, h *host, program string) { check(t, os.Chmod(program, 0o644)) },
		"in a loose folder":     func(t *testing.T, h *host, program string) { check(t, os.Chmod(filepath.Dir(program), 0o777)) },
		"somebody else's link": func(t *testing.T, h *host, program string) {
			check(t, os.Rename(program, program+".real"))
			check(t, os.Symlink(program+".real", program))
			check(t, os.Lchown(program, 12345, 0))
		},
		"missing": func(t *testing.T, h *host, program string) { check(t, os.Remove(program)) },
	} {
		t.Run(name, func(t *testing.T) {
			for mode, want := range map[string]string{"allow": "no-rule", "require": "plugin-required"} {
				h := newHost(t)
				program := h.plugin(t, "p", mode, "echo allow")
				spoil(t, h, program)
				claims := map[string]map[string]any{"allow": bob, "require": alice}[mode]
				a := h.verify(t, "alice", h.issuer.Login(t, claims).Certificate)
				wantReason(t, a, want)
				if len(a.log["plugin failed"]) != 1 || a.log["plugin failed"][0]["plugin"] != "p" {
					t.Errorf("log: got\n%s", a.stderr)
				}
			}
		})
	}
}

// TestPluginThatEnforcesProviders: the member decides nothing. No plugin is asked about the token of a provider that is not the host's.
func TestPluginThatEnforcesProviders(t *testing.T) {
	for _, value := range []string{"true", "false"} {
		h := newHost(t)
		ran := filepath.Join(h.cache, "ran")
		program := h.plugin(t, "p", "allow", ": >"+ran+"; echo allow")
		h.write(t, "policy.d/p.yml", "name: p\ncommand: "+program+"\nenforce_providers: "+value+"\n")
		if a := run(t, "check", "--config-dir", h.config); a.code != 0 {
			t.Errorf("check: got %d, %s", a.code, a.stdout)
		}
		id := h.issuer.Login(t, bob)
		providers := filepath.Join(h.config, "providers")
		known, err := os.ReadFile(providers)
		check(t, err)
		h.write(t, "providers", "https://op.example.com test-client 24h\n")
		wantReason(t, h.verify(t, "alice", id.Certificate), "unknown-issuer")
		if _, err := os.Stat(ran); err == nil {
			t.Errorf("%s: a plugin was started", value)
		}
		h.write(t, "providers", string(known))
		a := h.verify(t, "alice", id.Certificate)
		wantLine(t, a, id)
		wantPlugin(t, a.decision(t), h, "p")
	}
}

// TestVariableThatLinuxCannotPass: a file of policy.d that is too long for one denies where it is required, and the log says which
// variable it is.
func TestVariableThatLinuxCannotPass(t *testing.T) {
	h := newHost(t)
	program := h.plugin(t, "p", "require", "echo allow")
	h.write(t, "policy.d/p.yml", "mode: require\nname: p\ncommand: "+program+"\n# "+strings.Repeat("x", 32*os.Getpagesize())+"\n")
	a := h.verify(t, "alice", h.issuer.Login(t, alice).Certificate)
	wantReason(t, a, "plugin-required")
	failed := a.log["plugin failed"]
	if len(failed) != 1 || !strings.HasPrefix(fmt.Sprint(failed[0]["detail"]), "OPKSSH_PLUGIN_CONFIG: expected at most ") {
		t.Errorf("log: got\n%s", a.stderr)
	}
}

// TestPluginFileThatCannotBeUsed: it counts as no, and denies everybody if it may be a required one.
func TestPluginFileThatCannotBeUsed(t *testing.T) {
	for _, test := range []struct {
		name, text string
		mode       os.FileMode
		rule, none string // the reasons with and without a rule that fits; "" for a grant
	}{
		{"unknown member of one that may allow", "name: p\ncommand: /bin/true\nmode: allow\nuser: x\n", 0o644, "", "no-rule"},
		{"a relative command", "name: p\ncommand: true\n", 0o644, "", "no-rule"},
		{"unknown member", "name: p\ncommand: /bin/echo allow\ndescription: x\n", 0o644, "", "no-rule"},
		{"unknown member that may be the mode", "name: p\ncommand: /bin/echo allow\nrequired: true\n", 0o644, "plugin-required", "no-rule"},
		{"enforce_providers of another type", "name: p\ncommand: /bin/echo allow\nenforce_providers: [x]\n", 0o644, "", "no-rule"},
		{"empty", "", 0o644, "", "no-rule"},
		{"comments", "# name: p\n# command: /bin/echo allow\n", 0o644, "", "no-rule"},
		{"null", "~\n", 0o644, "plugin-required", "no-rule"},
		{"maybe required", "name: p\ncommand: /bin/true\nmoda: require\n", 0o644, "plugin-required", "no-rule"},
		{"writable by others", "name: p\ncommand: /bin/true\n", 0o666, "plugin-required", "no-rule"},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newHost(t)
			h.write(t, "policy.d/10-p.yml", test.text)
			chmod(t, h, "policy.d/10-p.yml", test.mode)
			id := h.issuer.Login(t, alice)
			a := h.verify(t, "alice", id.Certificate)
			if test.rule == "" {
				wantLine(t, a, id)
			} else {
				wantReason(t, a, test.rule)
			}
			if len(a.log["plugin cannot be used"]) != 1 {
				t.Errorf("log: got\n%s", a.stderr)
			}
			wantReason(t, h.verify(t, "alice", h.issuer.Login(t, bob).Certificate), test.none)
		})
	}
}

// TestPluginThatHangs costs its own 5 s and the login, and leaves the decision of the others and the log as they should be.
func TestPluginThatHangs(t *testing.T) {
	h := newHost(t)
	pid := filepath.Join(h.cache, "pid")
	h.plugin(t, "10-hangs", "allow", "sleep 1000 & echo $! >"+pid+"; echo waiting >&2; wait")
	h.plugin(t, "20-all", "allow", "echo allow")
	id := h.issuer.Login(t, bob)
	a := h.verify(t, "alice", id.Certificate)
	wantLine(t, a, id)
	wantPlugin(t, a.decision(t), h, "20-all")
	if len(a.log["plugin failed"]) != 1 || len(a.log["plugin said"]) != 1 || a.log["plugin said"][0]["text"] != "waiting" {
		t.Errorf("log: got\n%s", a.stderr)
	}
	data, err := os.ReadFile(pid)
	check(t, err)
	status := "/proc/" + strings.TrimSpace(string(data)) + "/stat"
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		stat, err := os.ReadFile(status)
		if err != nil || strings.Contains(string(stat), ") Z ") {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the plugin's child is still there")
		}
	}
}

// TestPluginsOfBothModesHaveTheirTime: each may take nearly 5 s, although everything else together may take no more.
func TestPluginsOfBothModesHaveTheirTime(t *testing.T) {
	h := newHost(t)
	h.plugin(t, "10-slow", "allow", "sleep 3; echo allow")
	h.plugin(t, "20-slow", "require", "sleep 3; echo allow")
	id := h.issuer.Login(t, bob)
	wantLine(t, h.verify(t, "alice", id.Certificate), id)
}

// TestPluginEnvironment: config.yml's variables, the plugin's own file, further tokens of sshd, and nothing of the verifier's own.
func TestPluginEnvironment(t *testing.T) {
	h := newHost(t)
	out := filepath.Join(h.cache, "environment")
	h.plugin(t, "p", "require", "tr '\\0' '\\n' </proc/$$/environ >"+out+"; echo allow")
	own, err := os.ReadFile(filepath.Join(h.config, "policy.d/p.yml"))
	check(t, err)
	h.write(t, "config.yml", "env_vars: {HTTPS_PROXY: 'http://proxy:3128'}\nlog: {to: stderr}\n")
	id := h.issuer.Login(t, alice)
	id.Certificate.Extensions[sshcert.ExtensionAccessToken] = "the-access-token"
	id.Write(t)
	a := h.verify(t, "alice", id.Certificate, "192.0.2.7 51820 192.0.2.1 22", "$(id)")
	wantLine(t, a, id)
	data, err := os.ReadFile(out)
	check(t, err)
	environment := map[string]string{}
	for line := range strings.Lines(string(data)) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		environment[name] = value
	}
	for name, want := range map[string]string{
		"HTTPS_PROXY": "http://proxy:3128", "OPKSSH_PLUGIN_U": "alice", "OPKSSH_PLUGIN_T": id.Certificate.Type(),
		"OPKSSH_PLUGIN_EXTRA_ARGS": `["192.0.2.7 51820 192.0.2.1 22","$(id)"]`, "OPKSSH_PLUGIN_ISS": h.issuer.URL,
		"OPKSSH_PLUGIN_CONFIG": base64.StdEncoding.EncodeToString(own),
	} {
		if environment[name] != want {
			t.Errorf("%s: expected %q, got %q", name, want, environment[name])
		}
	}
	for name, value := range environment {
		if name != "PATH" && name != "HTTPS_PROXY" && !strings.HasPrefix(name, "OPKSSH_PLUGIN_") {
			t.Errorf("unexpected %s=%q", name, value)
		}
	}
	if len(environment) != 22 {
		t.Errorf("expected 20 variables of ours, PATH and HTTPS_PROXY, got %d", len(environment))
	}
	wire, err := base64.StdEncoding.DecodeString(environment["OPKSSH_PLUGIN_K"])
	if err != nil || len(wire) == 0 || strings.Contains(string(wire)+string(data), "the-access-token") {
		t.Errorf("K: expected a key without the access token, %v", err)
	}
}

// TestPluginOutputIsEscaped: a plugin may print what an attacker wrote.
func TestPluginOutputIsEscaped(t *testing.T) {
	h := newHost(t)
	h.plugin(t, "p", "require", `printf '%s\n' "$OPKSSH_PLUGIN_EMAIL" >&2; printf '\033[2J\377\n' >&2; printf '%s' "$OPKSSH_PLUGIN_EMAIL"`)
	evil := "allow\x1b[2J\n{\"msg\":\"login\",\"decision\":\"allow\"}\u2028\u202e@example.com"
	h.write(t, "auth_id", "alice user-1 "+h.issuer.URL+"\n")
	a := h.verify(t, "alice", h.issuer.Login(t, map[string]any{"email": evil}).Certificate)
	wantReason(t, a, "plugin-required")
	if strings.ContainsAny(a.stderr, "\x1b\u2028\u202e") || !utf8.ValidString(a.stderr) || len(a.log["plugin said"]) != 3 {
		t.Errorf("got %q", a.stderr)
	}
}

// openPolicyAgent stands in for the agent's data API: it parses the input and answers with the rule's result.
func openPolicyAgent(t *testing.T, rule func(input map[string]any) any) (url string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Input map[string]any `json:"input"`
		}
		d := json.NewDecoder(r.Body)
		d.DisallowUnknownFields()
		switch {
		case r.URL.Path != "/v1/data/ssh/allow":
			_, _ = w.Write([]byte("{}\n")) // what the agent says of a rule that it does not have
		case r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" || d.Decode(&body) != nil || d.More():
			http.Error(w, `{"code":"invalid_parameter"}`, http.StatusBadRequest)
		default:
			result, err := json.Marshal(map[string]any{"result": rule(body.Input)})
			if err != nil {
				t.Error(err)
			}
			_, _ = w.Write(append(result, '\n'))
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// shipped installs one of our examples, with these arguments.
func (h *host) shipped(t *testing.T, name, mode, arguments string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../policies/plugins", name))
	check(t, err)
	h.write(t, "programs/"+name, string(text))
	chmod(t, h, "programs/"+name, 0o755)
	h.write(t, "policy.d/"+name+".yml", fmt.Sprintf("name: %s\ncommand: %s/programs/%s %s\nmode: %s\n", name, h.config, name, arguments, mode))
}

func TestOpenPolicyAgent(t *testing.T) {
	h := newHost(t)
	url := openPolicyAgent(t, func(input map[string]any) any {
		claims := input["claims"].(map[string]any)
		arguments := input["arguments"].([]any)
		return input["user"] == "bob" && claims["email"] == "bob@example.com" && claims["name"] == "B. \"Bob\"\n$(id)" && input["userinfo"] == nil &&
			len(arguments) == 1 && arguments[0] == "192.0.2.7 51820 192.0.2.1 22"
	})
	claims := map[string]any{"email": "bob@example.com", "name": "B. \"Bob\"\n$(id)"}
	h.shipped(t, "open-policy-agent", "allow", url+"/v1/data/ssh/allow")
	id := h.issuer.Login(t, claims)
	wantLine(t, h.verify(t, "bob", id.Certificate, "192.0.2.7 51820 192.0.2.1 22"), id)
	wantReason(t, h.verify(t, "bob", id.Certificate, "192.0.2.8 51820 192.0.2.1 22"), "no-rule")
	wantReason(t, h.verify(t, "bob", id.Certificate), "no-rule")
	wantReason(t, h.verify(t, "root", id.Certificate, "192.0.2.7 51820 192.0.2.1 22"), "no-rule")

	for name, answer := range map[string]any{
		"a string": "true", "a number": 1, "an object": map[string]any{"result": true}, "false": false, "null": nil, "a list": []any{true},
	} {
		t.Run(name, func(t *testing.T) {
			h.shipped(t, "open-policy-agent", "allow", openPolicyAgent(t, func(map[string]any) any { return answer })+"/v1/data/ssh/allow")
			wantReason(t, h.verify(t, "bob", id.Certificate), "no-rule")
		})
	}
	h.shipped(t, "open-policy-agent", "allow", openPolicyAgent(t, func(map[string]any) any { return true })+"/v1/data/ssh/other")
	wantReason(t, h.verify(t, "bob", id.Certificate), "no-rule")
	for name, handler := range map[string]http.HandlerFunc{
		"an error": func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, `{"result":true}`, http.StatusInternalServerError)
		},
		"a redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, url, http.StatusTemporaryRedirect) },
		"no JSON":    func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("true")) },
		"two members": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"result":false,"x":{"result":true}}`))
		},
		"two lines": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte("{\"result\":true}\n{\"result\":false}"))
		},
		"a decision ID": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"decision_id": "4ca636c1-55e4-417a-b1d8-4aceb67960d1", "result": true}` + "\n"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(handler)
			defer server.Close()
			h.shipped(t, "open-policy-agent", "allow", server.URL+"/v1/data/ssh/allow")
			a := h.verify(t, "bob", id.Certificate)
			if name == "a decision ID" {
				wantLine(t, a, id)
			} else {
				wantReason(t, a, "no-rule")
			}
		})
	}
	h.shipped(t, "open-policy-agent", "require", "http://127.0.0.1:1/v1/data/ssh/allow")
	a := h.verify(t, "alice", h.issuer.Login(t, alice).Certificate)
	wantReason(t, a, "plugin-required")
	if len(a.log["plugin said"]) == 0 {
		t.Errorf("expected curl's words in the log, got\n%s", a.stderr)
	}
}

// TestCommandLineIsHidden: while the verifier runs, other users of the host cannot read the certificate in the process list.
func TestCommandLineIsHidden(t *testing.T) {
	h := newHost(t)
	seen := filepath.Join(t.TempDir(), "cmdline")
	// What starts plugins is the verifier's monitor.
	h.plugin(t, "look", "require", "cat /proc/$(sed -n 's/^PPid://p' /proc/$PPID/status | tr -d '\t')/cmdline >"+seen+"; echo allow")
	id := h.issuer.Login(t, alice)
	wantLine(t, h.verify(t, "alice", id.Certificate), id)
	commandLine, err := os.ReadFile(seen)
	check(t, err)
	key := base64.StdEncoding.EncodeToString(id.Certificate.Marshal())
	if !bytes.Contains(commandLine, []byte("alice")) || bytes.Contains(commandLine, []byte(key[:100])) || bytes.Contains(commandLine, []byte(key[len(key)-100:])) {
		t.Errorf("the command line shows the certificate: %q", commandLine)
	}
}
