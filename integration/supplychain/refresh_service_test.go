package supplychain_test

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"opkssh/integration/endtoend"
	"opkssh/integration/issuer"
	"opkssh/policies"
)

const refreshService = "opkssh-keys.service"

// open are the protections that the service cannot have, and why. systemd-analyze names them.
var open = map[string]string{
	"PrivateNetwork=": "it asks providers",
	"IPAddressDeny=":  "providers are anywhere, and so are name servers",
	"RestrictAddressFamilies=~AF_(INET|INET6)": "it asks providers",
	"RestrictAddressFamilies=~AF_UNIX":         "the system's log",
	"RootDirectory=/RootImage=":                "it reads the host's files",
	"DeviceAllow=":                             "systemd lets it read the clock device with ProtectClock",
}

// TestRefreshServiceIsTight: systemd knows of no further protection for the service that refreshes keys.
func TestRefreshServiceIsTight(t *testing.T) {
	out, err := exec.Command("systemd-analyze", "security", "--offline=true", "--json=short", "../../policies/host/"+refreshService).Output()
	if err != nil {
		t.Fatalf("%v (run integration/setup.sh first)\n%s", err, out)
	}
	var checks []struct {
		Set         *bool
		Name        string
		Description string
	}
	if err := json.Unmarshal(out, &checks); err != nil || len(checks) < 50 {
		t.Fatalf("expected what systemd checks, got %v\n%s", err, out)
	}
	for _, check := range checks {
		if _, known := open[check.Name]; check.Set != nil && !*check.Set && !known {
			t.Errorf("%s %s", check.Name, check.Description)
		}
	}
}

// TestUnitsAreValid: systemd understands every line of the units.
func TestUnitsAreValid(t *testing.T) {
	folder := t.TempDir()
	var files []string
	for _, name := range []string{refreshService, "opkssh-keys.timer"} {
		file := filepath.Join(folder, name)
		text := strings.ReplaceAll(policies.HostFile(name), policies.ProgramPath, endtoend.Verifier(t))
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	if out, err := exec.Command("systemd-analyze", append([]string{"verify", "--man=no"}, files...)...).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("expected no complaint, got %v\n%s", err, out)
	}
}

// setting has the values of a setting of the service, one for each line.
func setting(name string) []string {
	var values []string
	for line := range strings.Lines(policies.HostFile(refreshService)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+"="); ok {
			values = append(values, value)
		}
	}
	return values
}

// systemCalls are those that SystemCallFilter lets through, by this machine's systemd.
func systemCalls(t *testing.T) []string {
	t.Helper()
	out, err := exec.Command("systemd-analyze", "syscall-filter", "--no-pager").Output()
	if err != nil {
		t.Fatalf("%v (run integration/setup.sh first)", err)
	}
	groups, group := map[string][]string{}, ""
	for line := range strings.Lines(string(out)) {
		word := strings.TrimSpace(line)
		switch {
		case word == "" || strings.HasPrefix(word, "#"):
		case line[0] != ' ':
			group = word
		default:
			groups[group] = append(groups[group], word)
		}
	}
	var members func(name string) []string
	members = func(name string) []string {
		if !strings.HasPrefix(name, "@") {
			return []string{name}
		}
		var all []string
		for _, member := range groups[name] {
			all = append(all, members(member)...)
		}
		return all
	}
	allowed := map[string]bool{}
	for _, list := range setting("SystemCallFilter") {
		names, denied := strings.CutPrefix(list, "~")
		for _, name := range strings.Fields(names) {
			for _, call := range members(name) {
				allowed[call] = !denied
			}
		}
	}
	maps.DeleteFunc(allowed, func(_ string, yes bool) bool { return !yes })
	if len(allowed) < 100 {
		t.Fatalf("expected the calls of %v, got %v", setting("SystemCallFilter"), allowed)
	}
	return slices.Sorted(maps.Keys(allowed))
}

// runUser stands for opksshuser, and is nobody's number.
const runUser = 4242

var (
	family     = regexp.MustCompile(`socket\((AF_\w+)`)
	writes     = regexp.MustCompile(`open(?:at2?)?\(.*O_(?:WRONLY|RDWR|CREAT|TRUNC)|^\d+ +(?:mkdir|rename|unlink|link|symlink|f?chmod|f?chown|truncate)`)
	executable = regexp.MustCompile(`PROT_WRITE\|PROT_EXEC|mprotect\(.*PROT_EXEC`)
)

// TestRefreshWorksInItsSandbox runs the service's command as the service's user with what systemd would take from it: system calls
// outside of the filter fail with EPERM, other users do not exist (PrivateUsers), and what it opens and starts is held to the unit.
func TestRefreshWorksInItsSandbox(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("expected to run as root: the verifier reads root's files alone")
	}
	op := issuer.Start(t)
	folder := t.TempDir()
	config, cache := filepath.Join(folder, "opk"), filepath.Join(folder, "cache")
	for _, dir := range []string{config, cache} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{filepath.Dir(folder), folder, filepath.Dir(endtoend.Verifier(t))} {
		if err := os.Chmod(path, 0o711); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(config, "providers"), []byte(op.URL+" client 24h\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(cache, runUser, runUser); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(cache, 0o700); err != nil {
		t.Fatal(err)
	}

	command := strings.Fields(strings.ReplaceAll(setting("ExecStart")[0], policies.ProgramPath, endtoend.Verifier(t)))
	trace := filepath.Join(cache, "trace")
	args := []string{"--follow-forks", "--decode-fds=path", "--string-limit=4096", "--output=" + trace,
		"--inject=!?" + strings.Join(systemCalls(t), ",?") + ":error=" + setting("SystemCallErrorNumber")[0]}
	cmd := exec.Command("strace", append(append(args, command...), "--config-dir", config, "--cache-dir", cache)...)
	ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1}, {ContainerID: runUser, HostID: runUser, Size: 1}}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: ids, GidMappings: ids, GidMappingsEnableSetgroups: true,
		Credential: &syscall.Credential{Uid: runUser, Gid: runUser},
	}
	cmd.Env, cmd.Dir = []string{"PATH=/usr/bin"}, "/"
	if out, err := cmd.CombinedOutput(); err != nil || !strings.HasPrefix(string(out), op.URL+": refreshed") {
		t.Errorf("expected fresh keys, got %v\n%s", err, out)
	}

	data, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	families, programs := strings.Fields(setting("RestrictAddressFamilies")[0]), 0
	for call := range strings.Lines(string(data)) {
		if strings.Contains(call, "(INJECTED)") {
			t.Logf("refused, and not needed: %s", call)
		}
		if m := family.FindStringSubmatch(call); m != nil && !slices.Contains(families, m[1]) {
			t.Errorf("a socket that RestrictAddressFamilies refuses: %s", call)
		}
		if writes.MatchString(call) && !strings.Contains(call, cache+"/") && !strings.Contains(call, "<"+cache+">") && !strings.Contains(call, `"/dev/null"`) {
			t.Errorf("a write outside of ReadWritePaths: %s", call)
		}
		if executable.MatchString(call) {
			t.Errorf("memory that MemoryDenyWriteExecute refuses: %s", call)
		}
		if strings.Contains(call, "execve") {
			programs++
		}
	}
	if programs != 1 {
		t.Errorf("expected no program but the verifier, got %d", programs)
	}
}
