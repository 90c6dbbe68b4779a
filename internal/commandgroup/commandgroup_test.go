package commandgroup_test

import (
	"errors"
	"testing"

	"github.com/spf13/cobra"

	"opkssh/internal/commandgroup"
)

func TestGroup(t *testing.T) {
	for _, test := range []struct {
		args       []string
		text, hint string
	}{
		{nil, "expected a command", "program --help"},
		{[]string{"nothing"}, `unknown command "nothing"`, "program --help"},
		{[]string{"key"}, `unknown command "key"`, "did you mean keys"},
		{[]string{"keys"}, "expected a command", "program keys --help"},
		{[]string{"keys", "lits"}, `unknown command "lits"`, "did you mean list"},
		{[]string{"keys", "list"}, "", ""},
	} {
		program := &cobra.Command{Use: "program", SilenceErrors: true, SilenceUsage: true}
		commandgroup.Make(program)
		keys := commandgroup.New("keys", "", "")
		keys.AddCommand(&cobra.Command{Use: "list", Run: func(*cobra.Command, []string) {}})
		program.AddCommand(keys)
		program.SetArgs(append([]string{}, test.args...))
		err := program.Execute()
		var wrong *commandgroup.UsageError
		switch {
		case test.text == "":
			if err != nil {
				t.Errorf("%q: %v", test.args, err)
			}
		case !errors.As(err, &wrong) || wrong.Error() != test.text || wrong.Hint() != test.hint || wrong.ExitCode() != 2:
			t.Errorf("%q: expected %q, %q, got %#v", test.args, test.text, test.hint, err)
		}
	}
}
