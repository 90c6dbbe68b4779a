//go:build linux

package plugin

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"opkssh/pkg/policy"
)

// details are those of the log's lines, of which each has to be a plugin's failure.
func (f *folder) details(t *testing.T) (details []string) {
	t.Helper()
	for line := range strings.Lines(f.log.String()) {
		var record struct{ Msg, Detail string }
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatal(err)
		}
		if record.Msg != "plugin failed" {
			t.Errorf("log: expected a plugin that failed, got %s", line)
		}
		details = append(details, record.Detail)
	}
	return details
}

// TestVariableThatLinuxCannotPass: it is a no of the plugin, and the log says which variable it is. The last one that fits is passed.
func TestVariableThatLinuxCannotPass(t *testing.T) {
	most := longestString - len("OPKSSH_PLUGIN_U=") - 1
	for _, size := range []int{most, most + 1, 2 * most} {
		f := newFolder(t)
		f.add(t, "a", "allow", fmt.Sprintf(`[ ${#OPKSSH_PLUGIN_U} = %d ] && echo allow`, size))
		f.add(t, "r", "require", "echo allow")
		r := policy.Request{User: strings.Repeat("a", size)}
		decision, err := f.judge(t.Context(), alice(t), r, nil, noRule, f.files, nil)
		if size == most {
			if err != nil || decision.Plugin != "a" {
				t.Errorf("%d bytes: expected that it is passed, got %+v, %v\n%s", size, decision, err, f.log.String())
			}
			continue
		}
		if decision != nil || err != error(noRule) {
			t.Errorf("%d bytes: expected a denial, got %+v, %v", size, decision, err)
		}
		decision, err = f.judge(t.Context(), alice(t), r, byRule, nil, f.files, nil)
		wantRefused(t, "r", decision, err)
		want := fmt.Sprintf("OPKSSH_PLUGIN_U: expected at most %d bytes with its name and its end, which is what Linux passes to a program, got %d",
			longestString, size+longestString-most)
		for _, detail := range f.details(t) {
			if detail != want {
				t.Errorf("log: expected %q, got %q", want, detail)
			}
		}
		if f.log.Len() == 0 {
			t.Error("nothing was logged")
		}
	}
}

// TestArgumentsThatLinuxCannotPass: a word of the command, the file of one plugin alone, and variables that are too many.
func TestArgumentsThatLinuxCannotPass(t *testing.T) {
	for name, test := range map[string]struct {
		command, comment string
		variables        int // of 100 KB each
		want             string
	}{
		"a word of the command": {command: " x " + strings.Repeat("a", longestString), want: "argument 2 of the command: expected at most"},
		"the plugin's own file": {comment: "# " + strings.Repeat("a", longestString) + "\n", want: "OPKSSH_PLUGIN_CONFIG: expected at most"},
		// The sum may be 6 MiB where nothing limits the stack.
		"all together": {variables: 80, want: "the longest variable is V10 with 100005"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFolder(t)
			f.programs.Config = &policy.Config{EnvVars: map[string]string{}}
			for i := range test.variables {
				f.programs.Config.EnvVars[fmt.Sprintf("V%d", i+10)] = strings.Repeat("a", 100_000)
			}
			f.file("p.yml", test.comment+"mode: require\nname: p\ncommand: "+f.script(t, "echo allow")+test.command+"\n")
			decision, err := f.judge(t.Context(), alice(t), request, byRule, nil, f.files, nil)
			wantRefused(t, "p", decision, err)
			if details := f.details(t); len(details) != 1 || !strings.Contains(details[0], test.want) {
				t.Errorf("log: expected %q, got %q", test.want, details)
			}
		})
	}
}
