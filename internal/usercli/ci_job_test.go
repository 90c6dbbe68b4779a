package usercli_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"opkssh/integration/cisystem"
)

// ofTest and ofSystem are the keys under which a script keeps its test and its CI system.
type (
	ofTest   struct{}
	ofSystem struct{}
)

// ciJob SYSTEM [AUDIENCE] makes the script a job of github, forgejo or gitlab-ci. AUDIENCE is for the last.
func ciJob(ts *testscript.TestScript, _ bool, args []string) {
	t := ts.Value(ofTest{}).(testing.TB)
	var system *cisystem.System
	switch args[0] {
	case "github":
		system = cisystem.StartGitHub(t).System
	case "forgejo":
		system = cisystem.StartForgejo(t)
	case "gitlab-ci":
		system = cisystem.StartGitLab(t, args[1])
	default:
		ts.Fatalf("no CI system %s", args[0])
	}
	for name, value := range system.Variables {
		ts.Setenv(name, value)
	}
	ts.Setenv("CI_ISSUER", system.URL)
	ts.Setenv("CI_SUBJECT", cisystem.Subject)
	systems, _ := ts.Value(ofSystem{}).(*[]*cisystem.System)
	*systems = append(*systems, system)
}

// noSecret FILES... fails if a file, stdout or stderr holds a secret of a job.
func noSecret(ts *testscript.TestScript, _ bool, args []string) {
	t := ts.Value(ofTest{}).(testing.TB)
	for _, system := range *ts.Value(ofSystem{}).(*[]*cisystem.System) {
		for _, name := range args {
			system.WantNoSecret(t, name, ts.ReadFile(name))
		}
	}
}

// mint is a vendor's program that prints an ID token with an audience of choice.
func mint(audience string) {
	request, err := http.NewRequest(http.MethodGet, os.Getenv("ACTIONS_ID_TOKEN_REQUEST_URL")+"&audience="+url.QueryEscape(audience), nil)
	if err != nil {
		panic(err)
	}
	request.Header.Set("Authorization", "bearer "+os.Getenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN"))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		panic(err)
	}
	var answer struct{ Value string }
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		panic(err)
	}
	_ = response.Body.Close()
	_, _ = fmt.Fprintln(os.Stderr, "minted for "+strings.TrimSpace(audience))
	fmt.Println(answer.Value)
}
