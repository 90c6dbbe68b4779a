//go:build linux

package plugin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"opkssh/internal/hostfiles"
	"opkssh/pkg/pktoken"
	"opkssh/pkg/pktoken/pktokentest"
	"opkssh/pkg/policy"
)

// folder stands for policy.d and the folder of the plugins' programs. The owner's checks have tests of their own.
type folder struct {
	*Plugins

	programs *Programs
	dir      string
	files    []hostfiles.File
	faults   []error
	log      bytes.Buffer
}

func newFolder(t *testing.T) *folder {
	t.Helper()
	f := &folder{dir: t.TempDir()}
	f.programs = &Programs{
		program: func(path string) (string, error) { return path, nil },
		timeout: time.Minute, // nothing here is about time, unless it says so
	}
	f.Plugins = &Plugins{Log: slog.New(slog.NewJSONHandler(&f.log, nil)), Runner: f.programs}
	return f
}

// script writes a program and gives its path.
func (f *folder) script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(f.dir, fmt.Sprintf("script-%d", len(f.files)))
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// add adds a plugin by what its script does.
func (f *folder) add(t *testing.T, name, mode, text string) {
	t.Helper()
	f.file(name+".yml", fmt.Sprintf("name: %s\ncommand: %s\nmode: %s\n", name, f.script(t, text), mode))
}

func (f *folder) file(name, text string) {
	f.files = append(f.files, hostfiles.File{Path: "policy.d/" + name, Data: []byte(text)})
}

var (
	noRule  = &policy.Denied{Reason: policy.ReasonNoRule}
	byRule  = &policy.Decision{Rule: policy.Rule{File: "auth_id", Line: 3}}
	request = policy.Request{User: "alice"}
)

// ask asks about somebody whom no rule fits.
func (f *folder) ask(t *testing.T, v *pktoken.Verified) (*policy.Decision, error) {
	t.Helper()
	return f.judge(context.Background(), v, request, nil, noRule, f.files, f.faults)
}

func alice(t *testing.T) *pktoken.Verified {
	t.Helper()
	return person(t, map[string]any{"email": "alice@example.com", "email_verified": true})
}

func person(t *testing.T, claims map[string]any) *pktoken.Verified {
	t.Helper()
	return pktokentest.NewIssuer(t, "https://op.example.com", "ES256").Verified(t, pktokentest.UserKey(t), claims)
}

// messages are the log's lines as "msg plugin text".
func (f *folder) messages(t *testing.T) []string {
	t.Helper()
	var messages []string
	for line := range strings.Lines(f.log.String()) {
		var record map[string]any
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if record["level"] != "WARN" {
			t.Errorf("expected a warning, got %q", line)
		}
		messages = append(messages, fmt.Sprint(record["msg"]))
	}
	return messages
}

// TestAnswer: allow and exit status 0, and nothing else.
func TestAnswer(t *testing.T) {
	tests := []struct {
		name, script string
		allow        bool
		log          string // the messages, each once
	}{
		{"allow", "echo allow", true, ""},
		{"without a line's end", "printf allow", true, ""},
		{"white space around it", `printf ' \t\r\n allow \r\n\n'`, true, ""},
		{"after reading an empty standard input", `cat; echo allow`, true, ""},
		{"in the root folder", `[ "$(pwd)" = / ] && echo allow`, true, ""},
		{"something on standard error", "echo note >&2; echo allow", true, "plugin said"},
		{"a child that stays", "sleep 1000 & echo allow", true, ""},
		{"nothing", "exit 0", false, ""},
		{"deny", "echo deny", false, ""},
		{"deny and exit status 1", "echo deny; exit 1", false, ""},
		{"twice", "echo allow; echo allow", false, ""},
		{"capitals", "echo ALLOW", false, ""},
		{"more words", "echo allow me", false, ""},
		{"on standard error", "echo allow >&2", false, "plugin said"},
		{"a NUL character", `printf 'allow\0'`, false, ""},
		{"a byte order mark", `printf '\357\273\277allow'`, false, ""},
		{"allow and exit status 1", "echo allow; exit 1", false, "plugin failed"},
		{"allow and exit status 2", "echo allow; exit 2", false, "plugin failed"},
		{"exit status 2", "exit 2", false, "plugin failed"},
		{"a signal", "echo allow; kill -9 $$", false, "plugin failed"},
		{"a flood", "yes allow", false, "plugin failed"},
		{"a flood of white space", "echo allow; yes ''", false, "plugin failed"},
		{"a flood that ends", `echo allow; head -c 100000 /dev/zero | tr '\0' ' '`, false, "plugin failed"},
	}
	v := alice(t)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newFolder(t)
			f.add(t, "p", "allow", test.script)
			decision, err := f.ask(t, v)
			switch {
			case test.allow && (err != nil || decision.Plugin != "p" || decision.Rule.File != "policy.d/p.yml" || decision.Rule.Line != 2):
				t.Errorf("expected that it allows, got %+v, %v", decision, err)
			case !test.allow && (decision != nil || err != error(noRule)):
				t.Errorf("expected that it does not allow, got %+v, %v", decision, err)
			}
			if got := strings.Join(f.messages(t), ", "); got != test.log {
				t.Errorf("log: expected %q, got %q", test.log, got)
			}
		})
	}
}

func TestProgramThatCannotBeRun(t *testing.T) {
	f := newFolder(t)
	f.programs.program = nil // as on a host
	dir := t.TempDir()
	for name, path := range map[string]string{
		"missing": dir + "/missing", "a folder": dir, "a device": "/dev/null", "not executable": "/etc/passwd",
	} {
		f.log.Reset()
		f.files = nil
		f.file("p.yml", "name: p\ncommand: "+path)
		if decision, err := f.ask(t, alice(t)); err != error(noRule) {
			t.Errorf("%s: expected a denial, got %+v, %v", name, decision, err)
		}
		if got := strings.Join(f.messages(t), ", "); got != "plugin failed" {
			t.Errorf("%s: log: got %q", name, got)
		}
	}

	f.programs.program = func(path string) (string, error) { return path, nil }
	f.files = nil
	path := f.script(t, "echo allow")
	if err := os.WriteFile(path, []byte("#!/nonexistent\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	f.file("p.yml", "name: p\ncommand: "+path)
	if decision, err := f.ask(t, alice(t)); err != error(noRule) {
		t.Errorf("no interpreter: expected a denial, got %+v, %v", decision, err)
	}
}

// TestCheckedProgramIsTheOneThatRuns: a link that changes after the check changes nothing.
func TestCheckedProgramIsTheOneThatRuns(t *testing.T) {
	f := newFolder(t)
	checked := f.script(t, "echo allow")
	var got string
	f.programs.program = func(path string) (string, error) { got = path; return checked, nil }
	f.file("p.yml", "name: p\ncommand: /opt/link")
	if _, err := f.ask(t, alice(t)); err != nil || got != "/opt/link" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestArguments(t *testing.T) {
	f := newFolder(t)
	path := f.script(t, `[ $# -eq 4 ] && [ "$1" = 'a b' ] && [ "$2" = '$HOME' ] && [ "$3" = '%u' ] && [ "$4" = '*' ] && echo allow`)
	f.file("p.yml", "name: p\ncommand: "+path+` 'a b' $HOME %u *`)
	if _, err := f.ask(t, alice(t)); err != nil {
		t.Error(err)
	}
}

func TestTimeout(t *testing.T) {
	for name, script := range map[string]string{
		"hangs":                 "echo allow; sleep 1000",
		"floods standard error": "yes x >&2",
	} {
		t.Run(name, func(t *testing.T) {
			f := newFolder(t)
			f.add(t, "p", "allow", script)
			f.programs.timeout = 100 * time.Millisecond
			if decision, err := f.ask(t, alice(t)); err != error(noRule) {
				t.Errorf("expected a denial, got %+v, %v", decision, err)
			}
			if !strings.Contains(f.log.String(), errTimeout.Error()) {
				t.Errorf("log: got %s", f.log.String())
			}
		})
	}
}

// TestKilled: the whole process group is gone afterwards.
func TestKilled(t *testing.T) {
	for name, script := range map[string]string{
		"alone":                  "echo allow; echo $$ >PIDS; sleep 1000",
		"with children":          "echo allow; sleep 1000 & one=$!; sleep 1000 & echo $one $! >PIDS; wait",
		"ignores gentle signals": "trap '' TERM HUP INT PIPE; echo allow; echo $$ >PIDS; while :; do sleep 1; done",
	} {
		t.Run(name, func(t *testing.T) {
			f := newFolder(t)
			pids := filepath.Join(f.dir, "pids")
			f.add(t, "p", "require", strings.ReplaceAll(script, "PIDS", pids))
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			go func() {
				for ctx.Err() == nil {
					if data, err := os.ReadFile(pids); err == nil && bytes.HasSuffix(data, []byte("\n")) {
						cancel()
					}
					time.Sleep(10 * time.Millisecond)
				}
			}()
			decision, err := f.judge(ctx, alice(t), request, byRule, nil, f.files, nil)
			wantRefused(t, "p", decision, err)
			wantGone(t, pids)
		})
	}
}

// TestNothingStays: what a plugin leaves in the background ends with it.
func TestNothingStays(t *testing.T) {
	f := newFolder(t)
	pids := filepath.Join(f.dir, "pids")
	f.add(t, "p", "allow", "sleep 1000 >/dev/null 2>&1 & echo $! >"+pids+"; echo allow")
	if _, err := f.ask(t, alice(t)); err != nil {
		t.Error(err)
	}
	wantGone(t, pids)
}

// TestNobodyWaitsForADaemon: a child in a session of its own outlives the plugin, and keeps its output open.
func TestNobodyWaitsForADaemon(t *testing.T) {
	f := newFolder(t)
	pid := filepath.Join(f.dir, "pid")
	f.add(t, "p", "allow", "setsid sh -c 'echo $$ >"+pid+"; exec sleep 1000' & while [ ! -s "+pid+" ]; do sleep 0.1; done; echo allow")
	if _, err := f.ask(t, alice(t)); err != nil {
		t.Errorf("%v\n%s", err, f.log.String())
	}
	data, err := os.ReadFile(pid)
	if err != nil {
		t.Fatal(err)
	}
	daemon, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		t.Fatal(err)
	}
	if gone(daemon) {
		t.Error("expected a daemon that is still there")
	}
	if err := unix.Kill(daemon, unix.SIGKILL); err != nil {
		t.Error(err)
	}
}

func wantGone(t *testing.T, file string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range strings.Fields(string(data)) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(time.Minute); !gone(pid); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("process %d is still there", pid)
			}
		}
	}
}

// gone also takes a zombie for gone: nobody here has to reap it.
func gone(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH)) || strings.Contains(string(stat), ") Z ")
}

func TestCanceled(t *testing.T) {
	f := newFolder(t)
	f.add(t, "p", "require", "echo allow")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	decision, err := f.judge(ctx, alice(t), request, byRule, nil, f.files, nil)
	wantRefused(t, "p", decision, err)
}

func TestStandardErrorIsBounded(t *testing.T) {
	f := newFolder(t)
	f.add(t, "p", "allow", `seq 1 100 >&2; head -c 1000000 /dev/zero | tr '\0' x >&2; echo allow`)
	if _, err := f.ask(t, alice(t)); err != nil {
		t.Error(err)
	}
	messages := f.messages(t)
	if len(messages) != maxLines+1 || messages[maxLines] != "plugin said more" || f.log.Len() > 2*maxStderr {
		t.Errorf("got %d bytes: %q", f.log.Len(), messages)
	}
}

func wantRefused(t *testing.T, plugin string, decision *policy.Decision, err error) {
	t.Helper()
	var denied *policy.Denied
	if decision != nil || !errors.As(err, &denied) || denied.Reason != policy.ReasonPluginRequired || denied.Plugin != plugin {
		t.Errorf("expected that %q denies, got %+v, %v", plugin, decision, err)
	}
}

// TestModes: a0 … say no and a1 … yes with mode allow, r0 … and r1 … with mode require; bad is a broken file, bad-x one that
// says that its mode is x, and fault one that cannot be read. foreign would say yes, and has an unknown member; enforce has one that
// other implementations know.
func TestModes(t *testing.T) {
	tests := []struct {
		plugins string // in the order of their files
		rule    bool   // whether a rule lets the person in
		want    string // the plugin that allows, "rule", "no-rule", or "plugin-required" and the plugin
	}{
		{"", true, "rule"},
		{"", false, "no-rule"},
		{"a0", false, "no-rule"},
		{"a1", false, "a1"},
		{"a0 a1", false, "a1"},
		{"a1 a0", false, "a1"},
		{"a0x a0y", false, "no-rule"},
		{"a1x a1y", false, "a1x"},
		{"a0 a1y a1x", false, "a1y"},
		{"a0", true, "rule"},
		{"a1", true, "rule"},
		{"r1", false, "no-rule"},
		{"r0", false, "no-rule"},
		{"r1", true, "rule"},
		{"r0", true, "plugin-required r0"},
		{"r1x r1y", true, "rule"},
		{"r1 r0x r0y", true, "plugin-required r0x"},
		{"r0y r0x", true, "plugin-required r0y"},
		{"a1 r1", false, "a1"},
		{"r1 a1", false, "a1"},
		{"a1 r0", false, "plugin-required r0"},
		{"a0 r0", false, "no-rule"},
		{"a0 r1", false, "no-rule"},
		{"a1 r0", true, "plugin-required r0"},
		{"bad", true, "rule"},
		{"bad", false, "no-rule"},
		{"bad a1", false, "a1"},
		{"bad r1", true, "rule"},
		{"bad-require", true, "plugin-required "},
		{"bad-require", false, "no-rule"},
		{"bad-require a1 r1", false, "plugin-required "},
		{"bad-reqiure", true, "plugin-required "},
		{"bad-must a1", false, "plugin-required "},
		{"bad-allow", true, "rule"},
		{"bad-allow a1", false, "a1"},
		{"foreign", true, "rule"},
		{"foreign", false, "no-rule"},
		{"foreign a1 r1", false, "a1"},
		{"foreign r0", true, "plugin-required r0"},
		{"enforce", false, "enforce"},
		{"enforce r0", false, "plugin-required r0"},
		{"empty", true, "rule"},
		{"empty a1", false, "a1"},
		{"fault", true, "plugin-required "},
		{"fault a1", false, "plugin-required "},
		{"fault", false, "no-rule"},
	}
	v := alice(t)
	for _, test := range tests {
		t.Run(fmt.Sprintf("%s rule=%v", test.plugins, test.rule), func(t *testing.T) {
			f := newFolder(t)
			for name := range strings.FieldsSeq(test.plugins) {
				switch {
				case name == "fault":
					f.faults = append(f.faults, &hostfiles.Fault{Path: "policy.d/fault.yml", Detail: "mode"})
				case name == "foreign":
					f.file(name+".yml", "name: p\ncommand: "+f.script(t, "echo allow")+"\ndescription: of another implementation\n")
				case name == "enforce":
					f.file(name+".yml", "name: enforce\ncommand: "+f.script(t, "echo allow")+"\nenforce_providers: true\n")
				case name == "empty":
					f.file(name+".yml", "# nothing\n")
				case name == "bad":
					f.file(name+".yml", "name: p\ncommand: true\n")
				case strings.HasPrefix(name, "bad-"):
					f.file(name+".yml", "name: p\ncommand: /bin/true\nmode: "+strings.TrimPrefix(name, "bad-")+"\nunknown: x\n")
				default:
					mode := map[byte]string{'a': "allow", 'r': "require"}[name[0]]
					f.add(t, name, mode, map[byte]string{'0': "echo deny; exit 1", '1': "echo allow"}[name[1]])
				}
			}
			decision, denied := (*policy.Decision)(nil), error(noRule)
			if test.rule {
				decision, denied = byRule, nil
			}
			got, err := f.judge(context.Background(), v, request, decision, denied, f.files, f.faults)
			if described := describe(got, err); described != test.want {
				t.Errorf("expected %q, got %q", test.want, described)
			}
			if err == nil && test.rule && got != byRule {
				t.Errorf("the rule's decision was replaced by %+v", got)
			}
			if err == nil && len(got.Options) > 0 {
				t.Errorf("a plugin gives no options, got %v", got.Options)
			}
		})
	}
}

func describe(decision *policy.Decision, err error) string {
	var denied *policy.Denied
	switch {
	case errors.As(err, &denied) && denied.Reason == policy.ReasonPluginRequired:
		return string(denied.Reason) + " " + denied.Plugin
	case errors.As(err, &denied):
		return string(denied.Reason)
	case err != nil:
		return err.Error()
	case decision.Plugin != "":
		return decision.Plugin
	}
	return "rule"
}

// TestNoPluginRunsInVain: one of mode require for a login that is denied anyway, and one of mode allow for one that a rule allows.
func TestNoPluginRunsInVain(t *testing.T) {
	f := newFolder(t)
	ran := filepath.Join(f.dir, "ran")
	f.add(t, "r", "require", "echo r >"+ran+"; echo allow")
	if _, err := f.ask(t, alice(t)); err != error(noRule) {
		t.Errorf("got %v", err)
	}
	f.files = nil
	f.add(t, "a", "allow", "echo a >"+ran+"; echo allow")
	if _, err := f.judge(context.Background(), alice(t), request, byRule, nil, f.files, nil); err != nil {
		t.Errorf("got %v", err)
	}
	if who, err := os.ReadFile(ran); err == nil {
		t.Errorf("%s was run", who)
	}
}

// TestNobodyWaitsForWhatNoLongerMatters: a plugin that hangs behind the one that decides is killed.
func TestNobodyWaitsForWhatNoLongerMatters(t *testing.T) {
	f := newFolder(t)
	f.programs.timeout = time.Hour
	f.add(t, "a1", "allow", "echo allow")
	f.add(t, "a2", "allow", "sleep 1000")
	if decision, err := f.ask(t, alice(t)); err != nil || decision.Plugin != "a1" {
		t.Errorf("got %+v, %v", decision, err)
	}
	if messages := f.messages(t); len(messages) != 0 {
		t.Errorf("log: %q", messages)
	}
}

// TestSideBySide: each of two waits until the other runs.
func TestSideBySide(t *testing.T) {
	f := newFolder(t)
	for _, names := range [][2]string{{"r1", "r2"}, {"r2", "r1"}} {
		f.add(t, names[0], "require", fmt.Sprintf(": >%s/%s.runs; while [ ! -e %s/%s.runs ]; do sleep 0.1; done; echo allow", f.dir, names[0], f.dir, names[1]))
	}
	if _, err := f.judge(context.Background(), alice(t), request, byRule, nil, f.files, nil); err != nil {
		t.Error(err)
	}
}

func TestJudgeReadsTheFolder(t *testing.T) {
	f := newFolder(t)
	f.Folder = filepath.Join(f.dir, "policy.d")
	if decision, err := f.Judge(context.Background(), alice(t), request, byRule, nil); err != nil || decision != byRule {
		t.Errorf("a missing folder: got %+v, %v", decision, err)
	}
	// A folder that others can write may have hidden a plugin.
	if err := os.Mkdir(f.Folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(f.Folder, 0o777); err != nil {
		t.Fatal(err)
	}
	decision, err := f.Judge(context.Background(), alice(t), request, byRule, nil)
	wantRefused(t, "", decision, err)
	decision, err = f.Judge(context.Background(), alice(t), request, nil, noRule)
	if decision != nil || err != error(noRule) {
		t.Errorf("got %+v, %v", decision, err)
	}
}
