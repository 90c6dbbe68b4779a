package login_test

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"opkssh/internal/idp"
	"opkssh/internal/login"
)

// getenv looks up names in variables.
func getenv(variables map[string]string) func(string) string {
	return func(name string) string { return variables[name] }
}

func actionsJob(requestURL string) map[string]string {
	return map[string]string{"ACTIONS_ID_TOKEN_REQUEST_URL": requestURL, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "the-request-token"}
}

const (
	gitHubURL  = "https://pipelines.actions.githubusercontent.com/23/idtoken?api-version=2.0"
	forgejoURL = "https://forge.example.com/git/api/actions/_apis/pipelines/workflows/1/idtoken?placeholder=true"
)

// TestCISystem: each alias has its environment, and nothing else will do.
func TestCISystem(t *testing.T) {
	gitLab := map[string]string{"GITLAB_CI": "true", "CI_SERVER_URL": "https://gitlab.example.com", "OPENPUBKEY_JWT": "a.b.c"}
	without := func(variables map[string]string, name string) map[string]string {
		variables = maps.Clone(variables)
		delete(variables, name)
		return variables
	}
	for _, test := range []struct {
		name, alias string
		variables   map[string]string
		issuer      string // "" is a refusal
		hint        string
	}{
		{"GitHub", "github", actionsJob(gitHubURL), "https://token.actions.githubusercontent.com", ""},
		{"GitHub, in capitals", "github", actionsJob("https://RUN.Actions.GitHubUserContent.Com/x?y"), "https://token.actions.githubusercontent.com", ""},
		{"GitHub, no permission", "github", map[string]string{"GITHUB_ACTIONS": "true"}, "", "id-token: write"},
		{"GitHub, no request token", "github", without(actionsJob(gitHubURL), "ACTIONS_ID_TOKEN_REQUEST_TOKEN"), "", "id-token: write"},
		{"GitHub, the suffix without its dot", "github", actionsJob("https://evilactions.githubusercontent.com/x?y"), "", ""},
		{"GitHub, the suffix alone", "github", actionsJob("https://actions.githubusercontent.com/x?y"), "", ""},
		{"GitHub, the name as a prefix", "github", actionsJob("https://pipelines.actions.githubusercontent.com.example.com/x?y"), "", ""},
		{"GitHub, the name in the path", "github", actionsJob("https://example.com/.actions.githubusercontent.com"), "", ""},
		{"GitHub, the name in the query", "github", actionsJob("https://example.com/?x=.actions.githubusercontent.com"), "", ""},
		{"GitHub, the name as a user", "github", actionsJob("https://x.actions.githubusercontent.com@example.com/"), "", ""},
		{"GitHub, the name in the fragment", "github", actionsJob("https://example.com/#.actions.githubusercontent.com"), "", ""},
		{"GitHub, the name before a backslash", "github", actionsJob(`https://example.com\.actions.githubusercontent.com/`), "", ""},
		{"GitHub, a user", "github", actionsJob("https://user:secret@pipelines.actions.githubusercontent.com/x?y"), "", ""},
		{"GitHub, a fragment", "github", actionsJob("https://pipelines.actions.githubusercontent.com/x?y#z"), "", ""},
		{"GitHub, http", "github", actionsJob("http://pipelines.actions.githubusercontent.com/23/idtoken?x"), "", ""},
		{"GitHub, Forgejo's URL", "github", actionsJob(forgejoURL), "", "opkssh login forgejo"},
		{"GitHub, no URL", "github", actionsJob("::"), "", ""},

		{"Forgejo", "forgejo", actionsJob(forgejoURL), "https://forge.example.com/git/api/actions", ""},
		{"Forgejo with a port", "forgejo", actionsJob("https://forge.example.com:3000/api/actions/x"), "https://forge.example.com:3000/api/actions", ""},
		{"Forgejo at Codeberg", "forgejo", actionsJob("https://codeberg.org/api/actions/x?y=z"), "https://codeberg.org/api/actions", ""},
		{"Forgejo on loopback", "forgejo", actionsJob("http://127.0.0.1:3000/api/actions/x"), "http://127.0.0.1:3000/api/actions", ""},
		{"Forgejo, http", "forgejo", actionsJob("http://forge.example.com/api/actions/x"), "", ""},
		{"Forgejo, http and a name like loopback", "forgejo", actionsJob("http://127.0.0.1.example.com/api/actions/x"), "", ""},
		{"Forgejo, part of a segment", "forgejo", actionsJob("https://forge.example.com/api/actionsx/y"), "", ""},
		{"Forgejo, in the query", "forgejo", actionsJob("https://forge.example.com/x?y=/api/actions/z"), "", ""},
		{"Forgejo, GitHub's URL", "forgejo", actionsJob(gitHubURL), "", "opkssh login github"},
		{"Forgejo, not enabled", "forgejo", nil, "", "enable-openid-connect: true"},
		{"Codeberg", "codeberg", actionsJob("https://codeberg.org/api/actions/x?y=z"), "https://codeberg.org/api/actions", ""},
		{"Codeberg elsewhere", "codeberg", actionsJob(forgejoURL), "", "opkssh login forgejo"},
		{"Codeberg as a prefix", "codeberg", actionsJob("https://codeberg.org.example.com/api/actions/x"), "", "opkssh login forgejo"},

		{"GitLab", "gitlab-ci", gitLab, "https://gitlab.example.com", ""},
		{"GitLab, no job", "gitlab-ci", without(gitLab, "GITLAB_CI"), "", ""},
		{"GitLab, no server", "gitlab-ci", without(gitLab, "CI_SERVER_URL"), "", ""},
		{"GitLab, no token", "gitlab-ci", without(gitLab, "OPENPUBKEY_JWT"), "", "id_tokens: {OPENPUBKEY_JWT: {aud:"},
	} {
		t.Run(test.name, func(t *testing.T) {
			system, err := login.FindCISystem(test.alias, getenv(test.variables), idp.Network{})
			if test.issuer != "" {
				if err != nil || system.Issuer != test.issuer || system.Alias != test.alias {
					t.Fatalf("expected %s, got %+v, %v", test.issuer, system, err)
				}
				return
			}
			var failure *login.Error
			if !errors.As(err, &failure) || failure.Code != login.CodeCI {
				t.Fatalf("expected an error with the code %q, got %+v, %v", login.CodeCI, system, err)
			}
			if !strings.Contains(failure.Hint, test.hint) {
				t.Errorf("expected a hint with %q, got %q", test.hint, failure.Hint)
			}
			if strings.Contains(err.Error(), "the-request-token") {
				t.Errorf("the request token is in the error: %v", err)
			}
		})
	}
}

func TestCISystems(t *testing.T) {
	for _, test := range []struct {
		variables map[string]string
		want      string
	}{
		{nil, ""},
		{actionsJob(gitHubURL), "github"},
		{actionsJob(forgejoURL), "forgejo"},
		{actionsJob("https://codeberg.org/api/actions/x"), "forgejo codeberg"},
		{map[string]string{"GITLAB_CI": "true", "CI_SERVER_URL": "https://gitlab.com", "OPENPUBKEY_JWT": "x"}, "gitlab-ci"},
	} {
		var got []string
		for _, s := range login.CISystems(getenv(test.variables), idp.Network{}) {
			got = append(got, s.Alias)
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%v: expected %q, got %q", test.variables, test.want, got)
		}
	}
}

func TestCISystemUnknownAlias(t *testing.T) {
	_, err := login.FindCISystem("jenkins", getenv(nil), idp.Network{})
	var failure *login.Error
	if !errors.As(err, &failure) || failure.Code != login.CodeUnknownProvider {
		t.Fatalf("got %v", err)
	}
}
