package endtoend_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
	"golang.org/x/crypto/ssh"

	"opkssh/integration/cisystem"
	"opkssh/integration/endtoend"
)

// workflow is what a test needs of a file in policies/ci.
type workflow struct {
	providers, authID string   // the rows in its comments
	commands          []string // what it runs, each as a script for sh
	environment       []string
}

// TestCIWorkflows runs the workflow files that we give away, with their rows on the host, against stand-ins of their vendors. A job
// without opkssh on its path fetches it.
func TestCIWorkflows(t *testing.T) {
	// A vendor's program that prints an ID token for the audience that its arguments name.
	const mint = `#!/bin/sh
for audience; do :; done
curl -fsS -H "Authorization: bearer $ACTIONS_ID_TOKEN_REQUEST_TOKEN" "$ACTIONS_ID_TOKEN_REQUEST_URL&audience=$(%s)" |
	sed -E 's/.*"value":"([^"]+)".*/\1/'
`
	for _, test := range []struct {
		file    string
		issuer  string // in the file; the stand-in's takes its place
		start   func(*testing.T, *endtoend.Host) *cisystem.System
		program string // of the vendor
		text    string
		read    func(*testing.T, map[string]any, *workflow)
	}{
		{
			file: "github-actions.yml",
			start: func(t *testing.T, h *endtoend.Host) *cisystem.System {
				g := cisystem.StartGitHub(t)
				reach(t, h, g)
				return g.System
			},
			read: readActions,
		},
		{
			file: "forgejo-actions.yml", issuer: "https://forge.example.com/api/actions",
			start: func(t *testing.T, _ *endtoend.Host) *cisystem.System { return cisystem.StartForgejo(t) },
			read:  readActions,
		},
		{
			file: "gitlab-ci.yml", issuer: "https://gitlab.example.com",
			start: func(t *testing.T, _ *endtoend.Host) *cisystem.System {
				return cisystem.StartGitLab(t, "OPENPUBKEY-PKTOKEN:infra")
			},
			read: func(t *testing.T, file map[string]any, w *workflow) {
				w.commands = []string{strings.Join(stringsAt(t, file, "deploy", "script"), "\n")}
				if got := at(t, file, "deploy", "id_tokens", "OPENPUBKEY_JWT", "aud"); got != "OPENPUBKEY-PKTOKEN:infra" {
					t.Errorf("audience: got %v", got)
				}
			},
		},
		{
			file: "kubernetes.yml", issuer: "https://cluster.example.com",
			start: func(t *testing.T, _ *endtoend.Host) *cisystem.System { return cisystem.StartForgejo(t) },
			read: func(t *testing.T, file map[string]any, w *workflow) {
				pod := at(t, file, "spec", "jobTemplate", "spec", "template", "spec")
				container := at(t, pod, "containers", 0)
				w.commands = stringsAt(t, container, "args")
				mount := at(t, container, "volumeMounts", 0)
				source := at(t, pod, "volumes", 0, "projected", "sources", 0, "serviceAccountToken")
				w.commands[0] = strings.ReplaceAll(w.commands[0], fmt.Sprintf("%v/%v", at(t, mount, "mountPath"), at(t, source, "path")), "$TOKEN")
				w.environment = append(w.environment, "AUDIENCE="+at(t, source, "audience").(string))
			},
		},
		{
			file: "buildkite.yml", issuer: "https://agent.buildkite.com",
			start: func(t *testing.T, _ *endtoend.Host) *cisystem.System {
				s := cisystem.StartForgejo(t)
				s.Claims = map[string]any{
					"sub":               "organization:acme:pipeline:app:ref:refs/heads/main:commit:0a1b2c:step:deploy",
					"organization_slug": "acme", "pipeline_slug": "app", "build_branch": "main", "step_key": nil,
				}
				return s
			},
			program: "buildkite-agent", text: fmt.Sprintf(mint, `echo "$audience"`),
			read: func(t *testing.T, file map[string]any, w *workflow) {
				w.commands = stringsAt(t, file, "steps", 0, "commands")
			},
		},
		{
			file: "circleci.yml", issuer: "https://oidc.circleci.com/org/00000000-0000-4000-8000-000000000001",
			start: func(t *testing.T, _ *endtoend.Host) *cisystem.System {
				s := cisystem.StartForgejo(t)
				s.Claims = map[string]any{
					"sub":                          "org/00000000-0000-4000-8000-000000000001/project/00000000-0000-4000-8000-000000000002/user/00000000-0000-4000-8000-000000000003",
					"oidc.circleci.com/project-id": "00000000-0000-4000-8000-000000000002", "oidc.circleci.com/vcs-ref": "refs/heads/main",
				}
				return s
			},
			program: "circleci", text: fmt.Sprintf(mint, `echo "$audience" | sed -E 's/.*"aud":"([^"]+)".*/\1/'`),
			read: func(t *testing.T, file map[string]any, w *workflow) {
				for _, step := range at(t, file, "jobs", "deploy", "steps").([]any) {
					w.commands = append(w.commands, at(t, step, "run", "command").(string))
				}
			},
		},
	} {
		t.Run(test.file, func(t *testing.T) {
			w := readWorkflow(t, test.file, test.read)
			h := endtoend.StartEmptyHost(t, endtoend.Command)
			s := test.start(t, h)
			if test.issuer != "" {
				w.providers = strings.ReplaceAll(w.providers, test.issuer, s.URL)
				w.authID = strings.ReplaceAll(w.authID, test.issuer, s.URL)
			}
			h.Write(t, "providers", w.providers)
			h.Write(t, "auth_id", w.authID)
			job := newCIRunner(t, s)
			path := installPrograms(t, h, job, test.program, test.text)
			hostKey := "server.example.com " + string(ssh.MarshalAuthorizedKey(h.HostKey))
			if !strings.Contains(strings.Join(w.commands, "\n"), "SERVER_HOST_KEY") {
				writeFile(t, filepath.Join(job.home, ".ssh", "known_hosts"), hostKey, 0o600)
			}
			opkssh, err := os.ReadFile(endtoend.Opkssh(t))
			if err != nil {
				t.Fatal(err)
			}
			job.environment = append(job.environment, append(w.environment,
				"PATH="+path+":"+os.Getenv("PATH"), "SERVER_HOST_KEY="+strings.TrimSpace(hostKey), "OPKSSH_URL=file://"+endtoend.Opkssh(t),
				fmt.Sprintf("OPKSSH_SHA256=%x", sha256.Sum256(opkssh)), "TOKEN="+serviceAccountToken(t, s))...)
			if fetches := strings.Contains(strings.Join(w.commands, "\n"), "OPKSSH_URL"); !fetches {
				if err := os.Symlink(endtoend.Opkssh(t), filepath.Join(path, "opkssh")); err != nil {
					t.Fatal(err)
				}
			}
			var output strings.Builder
			for _, command := range w.commands {
				cmd := exec.Command("bash", "-eo", "pipefail", "-c", command)
				cmd.Env, cmd.Dir = job.environment, job.home
				out, err := cmd.CombinedOutput()
				output.Write(out)
				if err != nil {
					t.Fatalf("%s\n%v\n%s\nthe host's log: %v", command, err, out, h.Records(t))
				}
			}
			if !strings.Contains(output.String(), "load average") {
				t.Errorf("the server's answer is missing:\n%s", &output)
			}
			if last := h.LastRecord(t); last["decision"] != "allow" || last["user"] != "deploy" {
				t.Errorf("got %v", last)
			}
			s.WantNoSecret(t, "output", output.String())
			job.wantNothingSecret(t, s)
		})
	}
}

// readWorkflow reads the rows out of the comments, and the rest as YAML.
func readWorkflow(t *testing.T, name string, read func(*testing.T, map[string]any, *workflow)) *workflow {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../policies/ci", name))
	if err != nil {
		t.Fatal(err)
	}
	w := &workflow{}
	into := &w.providers
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, "/etc/opk/auth_id") {
			into = &w.authID
		}
		if row, ok := strings.CutPrefix(line, "#     "); ok && strings.Contains(row, "https://") {
			*into += row
		}
	}
	if w.providers == "" || w.authID == "" {
		t.Fatalf("%s: no rows for the host in its comments", name)
	}
	var file map[string]any
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	read(t, file, w)
	return w
}

var settingsVariable = regexp.MustCompile(`^\$\{\{ vars\.(\w+) \}\}$`)

// readActions: GitHub and Forgejo. A variable of the environment must be the variable of that name in the settings.
func readActions(t *testing.T, file map[string]any, w *workflow) {
	t.Helper()
	job := at(t, file, "jobs", "deploy")
	for name, value := range at(t, job, "env").(map[string]any) {
		if match := settingsVariable.FindStringSubmatch(value.(string)); match == nil || match[1] != name {
			t.Errorf("variable %s: got %v", name, value)
		}
	}
	for _, step := range at(t, job, "steps").([]any) {
		w.commands = append(w.commands, at(t, step, "run").(string))
	}
	if file["enable-openid-connect"] != true && at(t, file, "permissions", "id-token") != "write" {
		t.Error("the job may not ask for ID tokens")
	}
}

// at walks into a document by names and indexes.
func at(t *testing.T, value any, path ...any) any {
	t.Helper()
	for _, step := range path {
		switch v := value.(type) {
		case map[string]any:
			value = v[step.(string)]
		case []any:
			value = v[step.(int)]
		default:
			t.Fatalf("nothing at %v", path)
		}
	}
	return value
}

func stringsAt(t *testing.T, value any, path ...any) []string {
	t.Helper()
	var list []string
	for _, v := range at(t, value, path...).([]any) {
		list = append(list, v.(string))
	}
	return list
}

// installPrograms makes a folder for PATH with an ssh that knows server.example.com, and with the vendor's program.
func installPrograms(t *testing.T, h *endtoend.Host, job *ciRunner, program, text string) string {
	t.Helper()
	path := t.TempDir()
	config := filepath.Join(path, "ssh_config")
	writeFile(t, config, fmt.Sprintf(`HostName 127.0.0.1
Port %d
HostKeyAlias server.example.com
IdentityFile %s
IdentitiesOnly yes
IdentityAgent none
UserKnownHostsFile %s
GlobalKnownHostsFile /dev/null
StrictHostKeyChecking yes
BatchMode yes
`, h.Port, job.key(), filepath.Join(job.home, ".ssh", "known_hosts")), 0o600)
	ssh, err := exec.LookPath("ssh")
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(path, "ssh"), fmt.Sprintf("#!/bin/sh\nexec %s -F %s \"$@\"\n", ssh, config), 0o755)
	if program != "" {
		writeFile(t, filepath.Join(path, program), text, 0o755)
	}
	return path
}

// serviceAccountToken is the file of a pod's service account.
func serviceAccountToken(t *testing.T, s *cisystem.System) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "token")
	writeFile(t, file, s.Mint(t, map[string]any{"aud": []string{"OPENPUBKEY-PKTOKEN:infra"}, "sub": "system:serviceaccount:web:deploy"}), 0o600)
	return file
}

func writeFile(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}
