package supplychain_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

const tag = "v1.2.3-test"

// repository commits and tags the files as they stand, so that a test is about them and not about an earlier commit.
func repository(t *testing.T) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "opkssh.git")
	git(t, "init", "--quiet", "--bare", folder)
	for _, command := range [][]string{{"add", "--all", "../.."}, {"commit", "--quiet", "--message", "as it stands"}, {"tag", tag}} {
		git(t, append([]string{"--git-dir", folder, "--work-tree", "../.."}, command...)...)
	}
	return folder
}

// clone makes a checkout of the tag.
func clone(t *testing.T, repository, folder string) {
	t.Helper()
	git(t, "clone", "--quiet", "--branch", tag, "--config", "advice.detachedHead=false", repository, folder)
}

// git runs without the settings of whoever runs the test.
func git(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=test", "GIT_AUTHOR_EMAIL=test@example.com", "GIT_COMMITTER_NAME=test", "GIT_COMMITTER_EMAIL=test@example.com")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
}
