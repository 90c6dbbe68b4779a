//go:build linux

package plugin

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"opkssh/pkg/policy"
)

const examples = "../../policies/plugins"

// TestExampleFiles: each is read, and its program is there.
func TestExampleFiles(t *testing.T) {
	files, err := filepath.Glob(examples + "/*.yml")
	if err != nil || len(files) < 4 {
		t.Fatalf("got %q, %v", files, err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		p, err := policy.ParsePlugin(file, data)
		if err != nil {
			t.Error(err)
			continue
		}
		name, ok := strings.CutPrefix(p.Command[0], "/usr/local/libexec/opkssh/")
		info, err := os.Stat(filepath.Join(examples, name))
		if !ok || err != nil || info.Mode().Perm()&0o111 == 0 || name+".yml" != filepath.Base(file) {
			t.Errorf("%s: the program %s: %v", file, p.Command[0], err)
		}
	}
}

// example runs one of the programs with these variables, and with tools that stand for the system's.
func example(t *testing.T, command string, variables, tools map[string]string) (allows bool, stderr string) {
	t.Helper()
	words, err := policy.SplitCommand(command)
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	for name, text := range tools {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	environment := []string{"PATH=" + bin + ":" + searchPath}
	for _, name := range strings.Fields(
		"U K T EXTRA_ARGS ISS SUB EMAIL EMAIL_VERIFIED AUD EXP NBF IAT JTI GROUPS PAYLOAD UPK PKT IDT USERINFO CONFIG",
	) {
		environment = append(environment, variablePrefix+name+"="+variables[name])
	}
	var out, errOut strings.Builder
	cmd := exec.Command(filepath.Join(examples, words[0]), words[1:]...)
	cmd.Env, cmd.Stdout, cmd.Stderr = environment, &out, &errOut
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	code := cmd.ProcessState.ExitCode()
	allows = code == 0 && strings.TrimSpace(out.String()) == "allow"
	if !allows && (code != 1 || strings.Contains(out.String(), "allow")) {
		t.Errorf("%s %v: expected exit status 1 and no allow, got %d, %q, %q", command, variables, code, out.String(), errOut.String())
	}
	return allows, errOut.String()
}

func TestMatchUserToEmail(t *testing.T) {
	// Everybody is somebody here, but for users of the system and nobody.
	id := map[string]string{"id": `[ "$1 $2" = '-u --' ] && case $3 in root) echo 0 ;; daemon) echo 999 ;; ghost) exit 1 ;; *) echo 1000 ;; esac`}
	for _, test := range []struct {
		user, email, verified string
		allow                 bool
	}{
		{"alice", "alice@example.com", "true", true},
		{"alice", "alice@example.org", "true", true},
		{"alice", "Alice@EXAMPLE.com", "true", true},
		{"a.b-c_d", "a.b-c_d@example.com", "true", true},
		{"alice", "alice@example.com", "false", false},
		{"alice", "alice@example.com", "", false},
		{"alice", "alice@example.com", "TRUE", false},
		{"bob", "alice@example.com", "true", false},
		{"Alice", "alice@example.com", "true", false},
		{"alice", "alice@example.net", "true", false},
		{"alice", "alice@example.com.example.net", "true", false},
		{"alice", "alice@sub.example.com", "true", false},
		{"alice", "malice@example.com", "true", false},
		{"alice", "alice@example.com\n", "true", false},
		{"alice", "\nalice@example.com", "true", false},
		{"alice", "x\nalice@example.com", "true", false},
		{"alice", "alice@example.com.", "true", false},
		{"alice", "alice@exampleXcom", "true", false},
		{"alice", "*@example.com", "true", false},
		{"*", "alice@example.com", "true", false},
		{"*", "*@example.com", "true", false},
		{"-n", "-n@example.com", "true", false},
		{"$(id)", "$(id)@example.com", "true", false},
		{"alice\n", "alice\n@example.com", "true", false},
		{"alice@example.com", "alice@example.com@example.com", "true", false},
		{"", "@example.com", "true", false},
		{"root", "root@example.com", "true", false},
		{"daemon", "daemon@example.com", "true", false},
		{"ghost", "ghost@example.com", "true", false},
		{"alice", "", "true", false},
	} {
		variables := map[string]string{"U": test.user, "EMAIL": test.email, "EMAIL_VERIFIED": test.verified}
		if got, stderr := example(t, "match-user-to-email example.com Example.org", variables, id); got != test.allow || stderr != "" {
			t.Errorf("%+v: got %v, %q", test, got, stderr)
		}
	}
	if got, _ := example(t, "match-user-to-email", map[string]string{"U": "alice", "EMAIL": "alice@", "EMAIL_VERIFIED": "true"}, id); got {
		t.Error("it allows without a domain")
	}
}

func TestSourceAddress(t *testing.T) {
	for _, test := range []struct {
		patterns, arguments string
		allow, complains    bool
	}{
		{"192.0.2.7", `["192.0.2.7 51820 192.0.2.1 22"]`, true, false},
		{"192.0.2.*", `["192.0.2.7 51820 192.0.2.1 22"]`, true, false},
		{"192.0.2.*", `["192.0.2.7 51820 192.0.2.1 22","more"]`, true, false},
		{"10.* 192.0.2.[5-9]", `["192.0.2.7 51820 192.0.2.1 22"]`, true, false},
		{"2001:db8:*", `["2001:db8::7 51820 2001:db8::1 22"]`, true, false},
		{"fe80:*", `["fe80::1%eth0 51820 fe80::2%eth0 22"]`, true, false},
		{"192.0.2.*", `["192.0.20.7 51820 192.0.2.1 22"]`, false, false},
		{"192.0.2.*", `["198.51.100.7 51820 192.0.2.1 22"]`, false, false},
		{"192.0.2.1", `["198.51.100.7 51820 192.0.2.1 22"]`, false, false},
		{"192.0.2.7 22", `["198.51.100.7 51820 192.0.2.1 22"]`, false, false},
		{"", `["192.0.2.7 51820 192.0.2.1 22"]`, false, false},
		{"''", `["192.0.2.7 51820 192.0.2.1 22"]`, false, false},
		{"'$(echo *)' '`id`' '*)'", `["192.0.2.7 51820 192.0.2.1 22"]`, false, false},
		{"*", "", false, true},
		{"*", "[]", false, true},
		{"*", `[""]`, false, true},
		{"*", `["alice"]`, false, true},
		{"*", `["192.0.2.7"]`, false, true},
		{"*", `["192.0.2.7 51820"]`, false, true},
		{"*", `["alice","192.0.2.7 51820 192.0.2.1 22"]`, false, true},
		{"*", `["192.0.2.7 51820 192.0.2.1 22 x"]`, false, true},
		{"*", `["UNKNOWN 51820 UNKNOWN 22"]`, false, true},
		{"*", `["192.0.2.7\n 51820 192.0.2.1 22"]`, false, true},
		{"*", `[" 51820 192.0.2.1 22 x"]`, false, true},
		{"*", "192.0.2.7 51820 192.0.2.1 22", false, true},
	} {
		got, stderr := example(t, "source-address "+test.patterns, map[string]string{"EXTRA_ARGS": test.arguments}, nil)
		if got != test.allow || (stderr != "") != test.complains {
			t.Errorf("%+v: got %v, %q", test, got, stderr)
		}
	}
}

func TestBusinessHours(t *testing.T) {
	for _, test := range []struct {
		arguments, now   string // %u %H:%M
		allow, complains bool
	}{
		{"08:00 18:00", "1 08:00", true, false},
		{"08:00 18:00", "1 09:09", true, false},
		{"08:00 18:00", "5 17:59", true, false},
		{"08:00 18:00", "5 18:00", false, false},
		{"08:00 18:00", "1 07:59", false, false},
		{"08:00 18:00", "1 00:00", false, false},
		{"08:00 18:00", "6 12:00", false, false},
		{"08:00 18:00 67", "6 12:00", true, false},
		{"08:00 18:00 67", "5 12:00", false, false},
		{"00:00 24:00 1234567", "7 23:59", true, false},
		{"18:00 08:00", "1 20:00", false, false},
		{"08:00", "1 12:00", false, true},
		{"", "1 12:00", false, true},
		{"8:00 18:00", "1 12:00", false, true},
		{"08:00 25:00", "1 12:00", false, true},
		{"08:00 18:00 ''", "1 12:00", false, true},
		{"08:00 18:00 0", "1 12:00", false, true},
		{"08:00 18:00 12345 x", "1 12:00", false, true},
		{"08:00 '18:00+a[$(id)]'", "1 12:00", false, true},
	} {
		got, stderr := example(t, "business-hours "+test.arguments, nil, map[string]string{"date": "[ \"$1\" = '+%u %H:%M' ] && echo '" + test.now + "'"})
		if got != test.allow || (stderr != "") != test.complains {
			t.Errorf("%+v: got %v, %q", test, got, stderr)
		}
	}
	if got, _ := example(t, "business-hours 00:00 24:00 1234567", nil, nil); !got {
		t.Error("with the system's date: expected that it allows at any time")
	}
	if got, _ := example(t, "business-hours 00:00 24:00 1234567", nil, map[string]string{"date": "exit 1"}); got {
		t.Error("without a date: expected that it does not allow")
	}
}

// TestOpenPolicyAgentInput: curl's stand-in keeps what it was given; the verifier's tests have an agent's.
func TestOpenPolicyAgentInput(t *testing.T) {
	sent := filepath.Join(t.TempDir(), "sent")
	curl := map[string]string{"curl": "cat >" + sent + `; echo '{"result":true}'`}
	variables := map[string]string{"U": `EXAMPLE\alice`, "PAYLOAD": "eyJhIjoiJChpZClcbiJ9", "USERINFO": `{"sub":"1"}`, "EXTRA_ARGS": `["x"]`}
	if got, stderr := example(t, "open-policy-agent http://127.0.0.1:8181/v1/data/ssh/allow", variables, curl); !got {
		t.Errorf("expected that it allows, got %q", stderr)
	}
	data, err := os.ReadFile(sent)
	if want := `{"input":{"user":"EXAMPLE\\alice","claims":{"a":"$(id)\n"},"userinfo":{"sub":"1"},"arguments":["x"]}}`; err != nil || string(data) != want {
		t.Errorf("expected %s, got %s, %v", want, data, err)
	}
	for _, user := range []string{"", `a"b`, "a b", "a\nb", "a\xffb", `a","x":"y`} {
		if err := os.WriteFile(sent, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		variables["U"] = user
		if got, stderr := example(t, "open-policy-agent http://127.0.0.1:8181/v1/data/ssh/allow", variables, curl); got || stderr == "" {
			t.Errorf("user %q: got %v, %q", user, got, stderr)
		}
		if data, err := os.ReadFile(sent); err != nil || len(data) > 0 {
			t.Errorf("user %q: sent %s, %v", user, data, err)
		}
	}
	if got, stderr := example(t, "open-policy-agent", map[string]string{"U": "alice"}, curl); got || stderr == "" {
		t.Errorf("without a URL: got %v, %q", got, stderr)
	}
}
