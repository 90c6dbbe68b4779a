package hostcli

import (
	"context"
	"slices"
	"time"

	"opkssh/internal/sshdsettings"
)

// sshdRemarks say why sshd may not go by what a command has written into the host's folder: it asks nobody, or another program, or looks at
// another folder, for everybody or for a user that rules name. About a folder that is neither the usual one nor sshd's there is nothing to
// say: it is another host's, or on its way to one.
func sshdRemarks(ctx context.Context, configDir string) (remarks []string) {
	settings, err := sshdsettings.Read(ctx, sshdsettings.Query{})
	if err != nil {
		return nil
	}
	a := newAuditor(auditOptions{configDir: configDir}, time.Now())
	if a.configDir != defaultConfigDir && !readsFolder(settings, a.configDir) {
		return nil
	}
	a.checkCommand(ctx, settings)
	a.checkMatchBlocks(ctx, settings)
	for _, f := range a.findings {
		if slices.Contains([]string{codeNoCommand, codeOtherCommand, codeCommandArguments, codeOtherProgram, codeOtherFolders, codeMatchBlock}, f.Code) {
			remarks = append(remarks, "warning: sshd may not go by this: "+f.Text, "hint: "+f.Hint)
		}
	}
	return remarks
}
