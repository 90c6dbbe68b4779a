package supplychain_test

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"opkssh/integration/endtoend"
)

func TestMain(m *testing.M) {
	code := m.Run()
	endtoend.RemovePrograms()
	os.Exit(code)
}

// module is a module that a program links; direct, if a package of ours imports it.
type module struct {
	version string
	direct  bool
}

// linked asks go list for the modules of a program's packages.
func linked(t *testing.T, program, system, architecture string) map[string]module {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Imports,Module", "opkssh/cmd/"+program)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+system, "GOARCH="+architecture)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	modules, moduleOf, imported := map[string]module{}, map[string]string{}, map[string]bool{}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath string
			Imports    []string
			Module     *struct {
				Path, Version string
				Main          bool
			}
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		switch {
		case p.Module == nil: // the standard library
		case p.Module.Main:
			for _, path := range p.Imports {
				imported[path] = true
			}
		default:
			modules[p.Module.Path], moduleOf[p.ImportPath] = module{version: p.Module.Version}, p.Module.Path
		}
	}
	for path := range imported {
		if m, ok := modules[moduleOf[path]]; ok {
			m.direct = true
			modules[moduleOf[path]] = m
		}
	}
	return modules
}

var (
	section  = regexp.MustCompile(`(?m)^## `)
	firstRow = regexp.MustCompile(`(?m)^\| ([a-z0-9.-]+\.[a-z]+/[^ ]+)`)
)

// TestDependenciesAreExplained: docs/dependencies.md has a row for each module that we chose, where it belongs, and names what comes with it.
func TestDependenciesAreExplained(t *testing.T) {
	text, err := os.ReadFile("../../docs/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	explained, rows := map[string][]string{}, map[string]bool{}
	for _, part := range section.Split(string(text), -1) {
		title, body, _ := strings.Cut(part, "\n")
		for _, row := range firstRow.FindAllStringSubmatch(body, -1) {
			explained[title] = append(explained[title], row[1])
			rows[row[1]] = true
		}
	}

	direct := map[string]map[string]bool{"verifier": {}, "opkssh": {}}
	for program, chosen := range direct {
		for _, system := range []string{"linux", "darwin", "windows"} {
			for name, m := range linked(t, program, system, "amd64") {
				base := path.Base(strings.TrimRight(name, "0123456789"))
				if base == "v" {
					base = path.Base(path.Dir(name))
				}
				if m.direct {
					chosen[name] = true
				} else if !regexp.MustCompile(`\b` + regexp.QuoteMeta(base) + `\b`).Match(text) {
					t.Errorf("%s links %s, which docs/dependencies.md does not name: what pulls it in?", program, name)
				}
			}
		}
	}
	for name := range direct["verifier"] {
		delete(direct["opkssh"], name)
	}
	for title, want := range map[string]map[string]bool{"In `verifier` (and `opkssh`)": direct["verifier"], "In `opkssh` alone": direct["opkssh"]} {
		got := slices.Sorted(slices.Values(explained[title]))
		if names := slices.Sorted(maps.Keys(want)); !slices.Equal(got, names) {
			t.Errorf("docs/dependencies.md, %q: expected rows for %v, got %v", title, names, got)
		}
	}

	out, err := exec.Command("go", "list", "-m", "-f", "{{if not (or .Main .Indirect)}}{{.Path}}{{end}}", "all").Output()
	if err != nil {
		t.Fatal(err)
	}
	required := strings.Fields(string(out))
	for _, name := range required {
		if !rows[name] {
			t.Errorf("docs/dependencies.md has no row for %s of go.mod", name)
		}
	}
	for name := range rows {
		if !slices.Contains(required, name) {
			t.Errorf("docs/dependencies.md has a row for %s, which go.mod does not require", name)
		}
	}
}
