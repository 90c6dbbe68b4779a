package usercli_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"opkssh/integration/cisystem"
	"opkssh/integration/freeport"
	"opkssh/internal/usercli"
)

// TestMain lends the scripts four programs: opkssh, a browser that follows every redirect, one that nobody looks at, and a
// person without a browser at hand, who carries the printed address to one.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"opkssh":             func() { os.Exit(usercli.Main(os.Args[1:], nil)) },
		"browser":            func() { browse(os.Args[1]) },
		"unattended-browser": func() { open(os.Args[1]) },
		"counting-browser":   func() { countAndBrowse(os.Args[1]) },
		"choosing-browser":   func() { chooseAndBrowse(os.Args[1]) },
		"by-hand":            func() { os.Exit(byHand(os.Args[1:])) },
		"carry":              func() { os.Exit(carry(os.Args[1:])) },
		"mint":               func() { mint(os.Args[1]) },
	})
}

// browse is a person who is logged in at the provider.
func browse(url string) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		panic(err)
	}
	response, err := (&http.Client{Jar: jar, Transport: browserTransport()}).Get(url)
	if err != nil {
		panic(err)
	}
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		panic(err)
	}
	_ = response.Body.Close()
}

// open leaves a file behind, so that a script can wait for the browser.
func open(url string) { leave("opened", url) }

// leave writes a file that is whole when it appears.
func leave(name, text string) {
	if err := errors.Join(os.WriteFile(name+".new", []byte(text), 0o600), os.Rename(name+".new", name)); err != nil {
		panic(err)
	}
}

// byHand runs a program and browses to the address that it prints on a line of its own.
func byHand(args []string) int {
	program := exec.Command(args[0], args[1:]...)
	program.Stdin = os.Stdin
	output, err := program.StderrPipe()
	if err != nil {
		panic(err)
	}
	if err := program.Start(); err != nil {
		panic(err)
	}
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		fmt.Fprintln(os.Stderr, lines.Text())
		if strings.HasPrefix(lines.Text(), "http") {
			browse(lines.Text())
		}
	}
	if err := program.Wait(); err != nil {
		return 1
	}
	return 0
}

// TestScripts runs the scripts in testdata. Each has a home folder of its own, $HOME, and OpenID providers, $ISSUER and $OTHER_ISSUER.
func TestScripts(t *testing.T) {
	vectors, err := os.ReadFile("../../pkg/pktoken/testdata/pktoken.json")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			home := filepath.Join(env.WorkDir, "home")
			env.Setenv("HOME", home)
			env.Setenv("TZ", "UTC")
			// The race detector's programs wait for a second at their end otherwise.
			env.Setenv("GORACE", "atexit_sleep_ms=0")
			env.Setenv("BROWSER", "browser")
			env.Values[ofTest{}], env.Values[ofSystem{}] = env.T(), &[]*cisystem.System{}
			env.Setenv("ISSUER", startOpenIDProvider(env.T().(testing.TB)))
			env.Setenv("OTHER_ISSUER", startOpenIDProvider(env.T().(testing.TB)))
			env.Setenv("REDIRECT_URI", fmt.Sprintf("http://127.0.0.1:%d/login-callback", freeport.Find(env.T().(testing.TB))))
			return os.Mkdir(home, 0o700)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"browse-to":    browseTo,
			"ci-job":       ciJob,
			"no-secret":    noSecret,
			"configure":    configure,
			"count":        count,
			"expire":       expire,
			"dead-bus":     deadBus,
			"exits":        exits,
			"mode":         mode,
			"silent-agent": silentAgent,
			"ssh-agent":    sshAgent,
			"wait-for-end": waitForEnd,
			"tamper":       tamper,
			"tls-provider": tlsProvider,
			"vector":       func(ts *testscript.TestScript, _ bool, args []string) { vector(ts, vectors, args) },
			"wait-for":     waitFor,
			"wait-change":  waitChange,

			"wait-for-empty-agent": waitForEmptyAgent,
			"everlasting-agent":    everlastingAgent,
		},
	})
}

// configure FILE puts FILE, with variables replaced, into ~/.opk/config.yml.
func configure(ts *testscript.TestScript, _ bool, args []string) {
	folder := filepath.Join(ts.Getenv("HOME"), ".opk")
	ts.Check(os.MkdirAll(folder, 0o700))
	text := os.Expand(ts.ReadFile(args[0]), ts.Getenv)
	ts.Check(os.WriteFile(filepath.Join(folder, "config.yml"), []byte(text), 0o600))
}

// exits CODE PROGRAM ARGS... runs a program and checks its exit code.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if args[0] != strconv.Itoa(code) {
		ts.Fatalf("expected exit code %s, got %d", args[0], code)
	}
}

// mode OCTAL FILE checks a file's permission bits.
func mode(ts *testscript.TestScript, _ bool, args []string) {
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := fmt.Sprintf("%04o", info.Mode().Perm()); got != args[0] {
		ts.Fatalf("%s: expected mode %s, got %s", args[1], args[0], got)
	}
}

// vector NAME MEMBER FILE writes a member of a test vector to a file: certificate, pk_token or private_key_pem.
func vector(ts *testscript.TestScript, data []byte, args []string) {
	var vectors []map[string]any
	ts.Check(json.Unmarshal(data, &vectors))
	for _, v := range vectors {
		if v["name"] == args[0] {
			text := strings.TrimSpace(v[args[1]].(string)) + "\n"
			ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(text), 0o600))
			return
		}
	}
	ts.Fatalf("no vector %s", args[0])
}

// tamper FROM TO copies a PK token with another signature of the user's key.
func tamper(ts *testscript.TestScript, _ bool, args []string) {
	fields := strings.Split(strings.TrimSpace(ts.ReadFile(args[0])), ":")
	signature := fields[4]
	replacement := "A"
	if strings.HasPrefix(signature, replacement) {
		replacement = "B"
	}
	fields[4] = replacement + signature[1:]
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(strings.Join(fields, ":")), 0o600))
}

// browse-to FILE goes to the address in a file.
func browseTo(ts *testscript.TestScript, _ bool, args []string) {
	browse(ts.ReadFile(args[0]))
}

// wait-for FILE waits until a file is there.
func waitFor(ts *testscript.TestScript, _ bool, args []string) {
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(ts.MkAbs(args[0])); !errors.Is(err, fs.ErrNotExist) {
			ts.Check(err)
			return
		}
	}
	ts.Fatalf("no file %s after a minute", args[0])
}
