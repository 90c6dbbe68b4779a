package hostcli

import (
	"context"
	"io"
	"os"
	"time"

	"opkssh/internal/plugin"
	"opkssh/pkg/policy"
)

// runChain answers for a key that is not ours with what the programs of config.yml's chain print. Without a chain it says nothing:
// sshd asks about each key that a client offers. Only a config.yml that cannot be used is worth a line in the log, since people
// whom a chain would let in stay outside.
func runChain(ctx context.Context, options verifyOptions, arguments *verifyArguments, stdout, stderr io.Writer) error {
	config, err := readConfig(options.configDir)
	if err != nil {
		newLogger(policy.Log{}, options.verbose, stderr).Warn("chain: not asked", "error", err.Error())
		return nil
	}
	if len(config.Chain) == 0 {
		return nil
	}
	alarm := time.AfterFunc(verifyTimeout, func() { os.Exit(exitDecided) })
	defer alarm.Stop()
	ctx, cancel := context.WithTimeout(ctx, verifyTimeout-500*time.Millisecond)
	defer cancel()
	chain := &plugin.Chain{Config: config, Log: newLogger(config.Log, options.verbose, stderr)}
	_, err = stdout.Write(chain.Keys(ctx, arguments.user, arguments.key, arguments.keyType))
	return err
}
