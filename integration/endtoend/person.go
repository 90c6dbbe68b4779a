package endtoend

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"

	"opkssh/integration/loginform"
	"opkssh/integration/process"
	"opkssh/integration/provider"
)

// Person is somebody at a laptop of their own: a home folder, and an account at a provider.
type Person struct {
	Home     string
	User     provider.User
	Provider *provider.Provider
	Agent    string   // the socket of an ssh-agent, "" for none
	Desktop  []string // further variables
}

// NewPerson sits down user of p at a laptop where nothing of ours is yet.
func NewPerson(t testing.TB, p *provider.Provider, user string) *Person {
	t.Helper()
	return &Person{Home: t.TempDir(), User: p.User(t, user), Provider: p}
}

// Key is where opkssh puts the private key by default.
func (p *Person) Key() string { return filepath.Join(p.Home, ".ssh", "id_ecdsa") }

// Certificate is what goes with Key.
func (p *Person) Certificate() string { return p.Key() + "-cert.pub" }

// callbackPorts: the three redirect URIs of opkssh are the same for everybody on this machine.
var callbackPorts = make(chan struct{}, 3)

// Login is `opkssh login` with args, and the login at the provider's pages. It returns what opkssh printed and the page that the
// browser ended on.
func (p *Person) Login(t testing.TB, args ...string) (output string, page *loginform.Page) {
	t.Helper()
	login := p.StartLogin(t, args...)
	page, err := loginform.Login(context.Background(), p.Provider.HTTPClient(), login.URL, p.User.Name, p.User.Password)
	if err != nil {
		t.Fatal(err)
	}
	output, code := login.Wait(t)
	if code != 0 {
		t.Fatalf("opkssh login: exit code %d\n%s", code, output)
	}
	return output, page
}

// RunningLogin is an opkssh that waits for the browser.
type RunningLogin struct {
	URL string // the address that opkssh printed

	cmd    *exec.Cmd
	mu     sync.Mutex
	output strings.Builder
	read   chan struct{} // closed when all output has been read

	release func() // of the callback port
}

var authorizationURL = regexp.MustCompile(`https?://\S+[?&]\S*code_challenge=\S+`)

// StartLogin runs `opkssh login` with args for the person's provider until it has printed the address to open.
func (p *Person) StartLogin(t testing.TB, args ...string) *RunningLogin {
	t.Helper()
	callbackPorts <- struct{}{}
	release := sync.OnceFunc(func() { <-callbackPorts })
	t.Cleanup(release)
	if len(args) == 0 {
		args = []string{"--provider", p.Provider.Issuer + "," + p.Provider.ClientID}
	}
	r := &RunningLogin{read: make(chan struct{}), release: release}
	r.cmd = exec.Command(Opkssh(t), append([]string{"login", "--disable-browser-open"}, args...)...)
	r.cmd.Env = p.Environment()
	// A pipe of our own, which Wait of the command does not close before it is read.
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.cmd.Stdout, r.cmd.Stderr = writer, writer
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = writer.Close()
	t.Cleanup(func() { _ = r.cmd.Process.Kill() })
	urls := make(chan string, 1)
	go r.follow(reader, urls)
	select {
	case r.URL = <-urls:
	case <-r.read:
		t.Fatalf("opkssh login ended without an address to open:\n%s", r.Output())
	}
	return r
}

func (r *RunningLogin) follow(reader io.ReadCloser, urls chan<- string) {
	defer func() { _ = reader.Close() }()
	defer close(r.read)
	for lines := bufio.NewReader(reader); ; {
		line, err := lines.ReadString('\n')
		r.mu.Lock()
		r.output.WriteString(line)
		r.mu.Unlock()
		if url := authorizationURL.FindString(line); url != "" {
			select {
			case urls <- url:
			default:
			}
		}
		if err != nil {
			return
		}
	}
}

// Output is what opkssh has printed until now.
func (r *RunningLogin) Output() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.output.String()
}

// Interrupt is Ctrl-C.
func (r *RunningLogin) Interrupt(t testing.TB) {
	t.Helper()
	if err := r.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
}

// Wait waits for the end of opkssh.
func (r *RunningLogin) Wait(t testing.TB) (output string, exitCode int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), process.Patience)
	defer cancel()
	select {
	case <-r.read:
	case <-ctx.Done():
		t.Fatalf("opkssh login: expected an end within %v\n%s", process.Patience, r.Output())
	}
	_ = r.cmd.Wait()
	r.release()
	return r.Output(), r.cmd.ProcessState.ExitCode()
}

// Environment is what programs on the laptop see.
func (p *Person) Environment() []string {
	return append([]string{
		"HOME=" + p.Home, "PATH=" + os.Getenv("PATH"), "SSL_CERT_FILE=" + p.Provider.CAFile, "TZ=UTC",
		"XDG_CACHE_HOME=" + filepath.Join(p.Home, ".cache"), "SSH_AUTH_SOCK=" + p.Agent,
	}, p.Desktop...)
}

// Run runs opkssh with args.
func (p *Person) Run(t testing.TB, args ...string) (output string, exitCode int) {
	t.Helper()
	cmd := exec.Command(Opkssh(t), args...)
	cmd.Env = p.Environment()
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// Describe is the command line of the person's provider.
func (p *Person) Describe() string {
	return fmt.Sprintf("%s,%s", p.Provider.Issuer, p.Provider.ClientID)
}
