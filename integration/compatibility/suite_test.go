package compatibility_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const (
	// suitePackages are the integration tests in which ssh logs in to sshd.
	suitePackages = "./integration/sshd ./integration/endtoend"
	// suiteWithout are those that need a provider or a browser that not each release has: what they try is no matter of OpenSSH.
	suiteWithout = "^TestChromium$|^TestChooserPageByKeyboard$|./glewlwyd"
)

// suiteTools are the packages that the suite needs in a release, beside ssh and sshd.
var suiteTools = []string{"ca-certificates", "curl", "dbus-daemon", "libnss-extrausers", "libstdc++6", "strace", "sudo"}

// inRelease makes the release's folder the root of its own mounts, with this machine's Go, Node, source and caches in their places. sudo
// wants to know the name of the host.
const inRelease = `tree=$1 work=$2
shift 2
mount --bind "$tree" "$tree"
mount -t tmpfs -o mode=1777 tmp "$tree/tmp"
mount -t tmpfs -o mode=0755 run "$tree/run"
for name in /dev /sys "$@"; do
	if [ -d "$name" ]; then mkdir -p "$tree$name"; else mkdir -p "$tree${name%/*}"; touch "$tree$name"; fi
	mount --rbind "$name" "$tree$name"
done
mount -t proc proc "$tree/proc"
echo "127.0.0.1 localhost $(hostname)" >"$tree/etc/hosts"
mkdir "$tree/run/outside"
cd "$tree"
pivot_root . run/outside
umount -l /run/outside
cd "$work"
# The packages are words.
exec go test -count 1 -json -skip "$SUITE_WITHOUT" $SUITE_PACKAGES`

// suite runs the project's integration tests with the release's ssh and sshd, and counts those that passed.
func (r *release) suite(t *testing.T) (passed int) {
	t.Helper()
	r.install(t, suiteTools...)
	goEnv := func(name string) string {
		out, err := exec.Command("go", "env", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(out))
	}
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatalf("%v (run integration/setup.sh first)", err)
	}
	if node, err = filepath.EvalSymlinks(node); err != nil {
		t.Fatal(err)
	}
	work := filepath.Dir(goEnv("GOMOD"))
	// The race detector and cgo want a compiler.
	environment := []string{
		"PATH=" + goEnv("GOROOT") + "/bin:" + filepath.Dir(node) + ":/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "CGO_ENABLED=0",
		"GOTOOLCHAIN=local", "GOCACHE=" + goEnv("GOCACHE"), "GOMODCACHE=" + goEnv("GOMODCACHE"), "GOPROXY=off",
		"SUITE_PACKAGES=" + suitePackages, "SUITE_WITHOUT=" + suiteWithout,
	}
	args := []string{"--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "sh", "-euc", inRelease, "sh", r.tree, work,
		work, goEnv("GOROOT"), goEnv("GOCACHE"), goEnv("GOMODCACHE"), node}
	cmd := exec.Command("unshare", args...)
	cmd.Env = environment
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if len(out) == 0 {
		t.Fatalf("%s: the integration tests do not start: %v\n%s", r.name, err, stderr.Bytes())
	}
	printed := map[string]string{}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		var event struct{ Action, Package, Test, Output string }
		if json.Unmarshal(lines.Bytes(), &event) != nil {
			continue
		}
		top, _, isPart := strings.Cut(event.Test, "/")
		name := event.Package + " " + top
		switch event.Action {
		case "output":
			printed[name] += event.Output
		case "pass":
			if top != "" && !isPart {
				passed++
			}
		case "fail":
			if !isPart {
				t.Errorf("%s, %s: %s failed\n%s", r.name, r.version, name, printed[name])
			}
		}
	}
	if err != nil && !t.Failed() {
		t.Errorf("%s: %v\n%s", r.name, err, stderr.Bytes())
	}
	return passed
}

// suites is the table of the page.
func suites(servers []*release, passed map[*release]int) string {
	var b strings.Builder
	b.WriteString("| ssh and sshd | tests passed |\n|---|--:|\n")
	for _, r := range servers {
		fmt.Fprintf(&b, "| %s (%s) | %d |\n", r.version, r.name, passed[r])
	}
	return b.String()
}
