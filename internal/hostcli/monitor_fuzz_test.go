//go:build linux

package hostcli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"opkssh/integration/allocation"
)

// calls is the monitor's connection to a verifier that says all that it wants to, waits for as many answers, and is gone then.
type calls struct {
	net.Conn
	io.Reader
	answers  bytes.Buffer
	expected int
	all      chan struct{} // closed when all answers are there
}

func newCalls(stream io.Reader, answers int) *calls {
	c := &calls{Reader: stream, expected: answers, all: make(chan struct{})}
	if answers == 0 {
		close(c.all)
	}
	return c
}

func (c *calls) Read(data []byte) (int, error) {
	n, err := c.Reader.Read(data)
	if n == 0 && errors.Is(err, io.EOF) {
		<-c.all
	}
	return n, err
}

func (c *calls) Write(data []byte) (int, error) {
	if c.expected--; c.expected == 0 {
		defer close(c.all)
	}
	return c.answers.Write(data)
}

// FuzzServeMonitor: whatever a verifier says that has been taken over, each call that can be read gets one answer, and no program
// runs but a plugin of the host, asked for by its file. The words "named" and "stranger" of the input stand for the files of two
// plugins, of which the host has the first alone. Only where root runs this, whose files a host's are, is it let run.
func FuzzServeMonitor(f *testing.F) {
	const enough = time.Minute
	for _, seed := range []string{
		`{"Within":60000000000,"Plugins":["named"],"Wanted":true,"Login":["OPKSSH_PLUGIN_U=alice","LD_PRELOAD=/x","=",""]}`,
		`{"Within":60000000000,"Plugins":["stranger"],"Wanted":true}`,
		`{"Within":60000000000,"Plugins":["named","stranger"]}{"Within":60000000000,"Plugins":["named","named"]}`,
		`{"Within":60000000000,"plugins":["/bin/sh","","../stranger"],"ConfigDir":"/etc/opk","User":"root"}`,
		`{"Within":9223372036854775807}{"Within":-1}{}[]`, `{"Home":{"Path":"/etc/shadow"},"Command":["/bin/sh"]}`,
		"null", "null\n \t{", `{"Within":6e10}`, `{"Plugins":[null]}`, `{"Plugins":{}}`, `"`, "\x00", strings.Repeat(`{"Plugins":[`, 100),
	} {
		f.Add(seed)
	}
	dir := f.TempDir()
	named, stranger := filepath.Join(dir, "policy.d", "named.yml"), filepath.Join(dir, "stranger.yml")
	for path, text := range map[string]string{
		filepath.Join(dir, "config.yml"): "home_policy: false\n",
		named:                            "name: named\ncommand: /bin/echo allow\n",
		stranger:                         "name: stranger\ncommand: /bin/echo allow\n",
	} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			f.Fatal(err)
		}
	}
	setup, err := json.Marshal(monitorSetup{ConfigDir: dir, User: "root"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		// Without something behind it, the end of a number or of null is not seen before the end of the connection.
		text = strings.NewReplacer(`"named"`, `"`+named+`"`, `"stranger"`, `"`+stranger+`"`).Replace(text) + "\n"
		var asked []monitorCall
		var end error // io.EOF, or what else follows the calls. Who talks nonsense is gone: that ends what runs for them
		for decoder := json.NewDecoder(strings.NewReader(text)); end == nil; {
			var call monitorCall
			if end = decoder.Decode(&call); end == nil {
				asked = append(asked, call)
			}
		}
		before := endedChildren(t)
		conn := newCalls(io.MultiReader(bytes.NewReader(setup), strings.NewReader(text)), len(asked))
		// Each call reads config.yml and the plugins' files again.
		const perCall = 256
		allocation.Check(t, len(text)+perCall*len(asked), func() {
			if err := serveMonitor(context.Background(), conn); err != nil {
				t.Error(err)
			}
		})
		started := endedChildren(t) != before

		answers := json.NewDecoder(&conn.answers)
		mayStart := false
		for i, call := range asked {
			var answer monitorAnswer
			if err := answers.Decode(&answer); err != nil {
				t.Fatalf("%q: expected %d answers, got %d, %v", text, len(asked), i, err)
			}
			ofHost := slices.Equal(call.Plugins, []string{named})
			mayStart = mayStart || ofHost && call.Within > 0
			if answer.Home != nil || answer.Failure == "" && !ofHost {
				t.Errorf("%+v: expected a refusal, got %+v", call, answer)
			}
			if os.Geteuid() != 0 || !ofHost || call.Within != enough || !errors.Is(end, io.EOF) {
				continue
			}
			// A machine with more to do than it can may need longer than a plugin has.
			if len(answer.Outcomes) != 1 || !answer.Outcomes[0].Allow && !strings.Contains(answer.Outcomes[0].Failure, "took too long") {
				t.Errorf("%+v: expected that the plugin runs, got %+v", call, answer)
			}
		}
		if started && !mayStart {
			t.Errorf("%q: started a program", text)
		}
	})
}

// endedChildren changes with each child process of this one that has ended.
func endedChildren(t *testing.T) int64 {
	t.Helper()
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_CHILDREN, &usage); err != nil {
		t.Fatal(err)
	}
	return usage.Minflt
}

// endless repeats a byte behind a beginning, far longer than anybody should listen.
type endless struct {
	start io.Reader
	text  byte
	read  int
}

func (e *endless) Read(data []byte) (int, error) {
	if n, _ := e.start.Read(data); n > 0 {
		return n, nil
	}
	if e.read > 4*maxMonitorCalls {
		return 0, io.EOF
	}
	for i := range data {
		data[i] = e.text
	}
	e.read += len(data)
	return len(data), nil
}

// TestMonitorReadsSoMuch: a verifier that talks without end does not fill the memory of the monitor.
func TestMonitorReadsSoMuch(t *testing.T) {
	const setup = `{"ConfigDir":"/none","User":"root"}`
	for name, stream := range map[string]*endless{
		"one text": {start: strings.NewReader(setup + `{"Login":["`), text: 'a'},
		"one list": {start: strings.NewReader(setup + `{"Login":`), text: '['},
		"blanks":   {start: strings.NewReader(setup), text: ' '},
	} {
		t.Run(name, func(t *testing.T) {
			if err := serveMonitor(context.Background(), newCalls(stream, 0)); err != nil {
				t.Error(err)
			}
			if stream.read > maxMonitorCalls {
				t.Errorf("expected at most %d bytes to be read, got %d", maxMonitorCalls, stream.read)
			}
		})
	}
}
