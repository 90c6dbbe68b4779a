// Package integration holds what is true of the project as a whole: its import rules here, and the real sshd, ssh and OpenID
// providers in the folders below.
package integration

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "opkssh/"

// floors is the house: a package may import packages of ours on lower floors, and beside them those in neighbours. A package
// that is not listed fails the test, so that a new one gets its place here.
var floors = map[string]int{
	"pkg/pktoken/gq":          0,
	"pkg/pktoken":             0,
	"pkg/sshcert":             1,
	"pkg/policy":              1,
	"internal/idp":            2,
	"internal/login":          2,
	"internal/userkeys":       2,
	"internal/hostfiles":      2,
	"internal/plugin":         2,
	"internal/installer":      2,
	"internal/keychain":       2,
	"internal/filelock":       1,
	"internal/commandgroup":   1,
	"internal/hostprogram":    0,
	"internal/sshdsettings":   1,
	"internal/printable":      1,
	"internal/sandbox":        1,
	"pkg/sshauth":             2,
	"pkg/sshauth/gliderauth":  2,
	"internal/usercli":        3,
	"internal/hostcli":        3,
	"internal/demo":           3,
	"cmd/opkssh":              4,
	"cmd/verifier":            4,
	"cmd/demo":                4,
	"policies":                0,
	"pkg/pktoken/pktokentest": 9, // for tests
}

// neighbours are imports on one floor that the house allows, and why.
var neighbours = map[string][]string{
	"pkg/pktoken":            {"pkg/pktoken/gq"},     // the arithmetic of one of its algorithms
	"pkg/sshauth/gliderauth": {"pkg/sshauth"},        // it is sshauth for one kind of server
	"internal/login":         {"internal/idp"},       // a login starts with discovery
	"internal/demo":          {},                     // nothing of the command lines: it shows the libraries
	"internal/installer":     {"internal/hostfiles"}, // modes to set are the modes that are checked
	"internal/plugin":        {"internal/hostfiles"}, // a plugin's program is checked like a file
}

// forbidden says what a package's own files must not import, whatever its floor.
var forbidden = []struct {
	packages []string // a prefix ends in "/..."
	imports  []string
	why      string
}{
	{
		[]string{"pkg/pktoken", "pkg/pktoken/gq", "pkg/sshcert", "pkg/policy", "pkg/sshauth"},
		[]string{"net/http", "os/exec", "os", "log", "log/slog", "net"},
		"what decides takes bytes, the clock and keys from its caller, so that it can be tested and embedded",
	},
	{
		[]string{"pkg/...", "internal/...", "cmd/..."},
		[]string{"testing", "github.com/zitadel/oidc/...", "opkssh/integration/..."},
		"test support and a whole OpenID provider are no part of a program",
	},
	{
		[]string{"internal/idp", "internal/login", "internal/userkeys", "internal/hostfiles", "internal/plugin", "internal/installer"},
		[]string{"github.com/spf13/cobra", "log"},
		"only the command lines print, prompt and read flags",
	},
}

// exceptions to forbidden, each with its own right.
var exceptions = map[string][]string{
	"internal/login":          {"log"},                         // to silence net/http's server
	"internal/demo":           {"github.com/zitadel/oidc/..."}, // the demo's provider
	"pkg/pktoken/pktokentest": {"testing"},
}

// unlinked says what must not be in a program, however deep.
var unlinked = []struct {
	program string
	without []string
	why     string
}{
	{"cmd/verifier", []string{
		"opkssh/internal/login", "opkssh/internal/userkeys", "opkssh/internal/usercli", "opkssh/internal/demo",
		"github.com/gliderlabs/ssh", "github.com/zitadel/oidc/...", "golang.org/x/oauth2", "testing",
	}, "it runs at every login with an attacker's input: nothing it does not need"},
	{"cmd/opkssh", []string{"opkssh/internal/demo", "github.com/gliderlabs/ssh", "github.com/zitadel/oidc/...", "testing"},
		"the demo's provider and server are never in a release"},
}

type goPackage struct {
	ImportPath    string
	Imports, Deps []string
}

func listPackages(t *testing.T) map[string]goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,Deps", "./...")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list: %v\n%s", err, exit.Stderr)
		}
		t.Fatal(err)
	}
	packages := map[string]goPackage{}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages[strings.TrimPrefix(p.ImportPath, module)] = p
	}
}

func matches(path, pattern string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "/..."); ok {
		return path == prefix || strings.HasPrefix(path, prefix+"/")
	}
	return path == pattern
}

func matchesAny(path string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return matches(path, p) })
}

func TestImportsGoDown(t *testing.T) {
	for name, p := range listPackages(t) {
		if strings.HasPrefix(name, "integration") || name == "opkssh" {
			continue
		}
		floor, ok := floors[name]
		if !ok {
			t.Errorf("%s has no floor: give it one in this test and in the docs", name)
			continue
		}
		for _, imported := range p.Imports {
			other, ours := strings.CutPrefix(imported, module)
			if !ours {
				continue
			}
			if below, ok := floors[other]; (!ok || below >= floor) && !slices.Contains(neighbours[name], other) {
				t.Errorf("%s (floor %d) imports %s (floor %d): imports go down", name, floor, other, below)
			}
		}
	}
}

func TestForbiddenImports(t *testing.T) {
	for name, p := range listPackages(t) {
		for _, rule := range forbidden {
			if !matchesAny(name, rule.packages) {
				continue
			}
			for _, imported := range p.Imports {
				if matchesAny(imported, rule.imports) && !matchesAny(imported, exceptions[name]) {
					t.Errorf("%s imports %s: %s", name, imported, rule.why)
				}
			}
		}
	}
}

func TestProgramsLinkNothingElse(t *testing.T) {
	packages := listPackages(t)
	for _, rule := range unlinked {
		p, ok := packages[rule.program]
		if !ok {
			t.Errorf("%s is gone", rule.program)
		}
		for _, dep := range p.Deps {
			if matchesAny(dep, rule.without) {
				t.Errorf("%s links %s: %s", rule.program, dep, rule.why)
			}
		}
	}
}
