package hostcli

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	runtimedebug "runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/crypto/ssh"

	"opkssh/internal/idp"
	"opkssh/internal/sandbox"
	"opkssh/pkg/policy"
	"opkssh/pkg/sshauth"
	"opkssh/pkg/sshcert"
)

// verifyTimeout is the most that one verification takes without its plugins, whatever hangs: sshd and the person wait for it.
const verifyTimeout = 5 * time.Second

const (
	defaultConfigDir = "/etc/opk"
	defaultCacheDir  = "/var/cache/opkssh"
)

type verifyOptions struct {
	configDir, cacheDir string
	verbose, help       bool
}

func (o *verifyOptions) flags() *pflag.FlagSet {
	flags := pflag.NewFlagSet("verify", pflag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&o.configDir, "config-dir", defaultConfigDir, "folder with providers, auth_id and config.yml")
	flags.StringVar(&o.cacheDir, "cache-dir", defaultCacheDir, "folder for the providers' keys, owned by the user that sshd runs this as")
	flags.BoolVarP(&o.verbose, "verbose", "v", false, "say on standard error what happens")
	flags.BoolVarP(&o.help, "help", "h", false, "help for verify")
	return flags
}

func verifyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "verify [--config-dir DIR] [--cache-dir DIR] USER KEY TYPE [TOKEN...]",
		Short: "answer sshd whether a key may log in as a user",
		Long: `answer sshd's AuthorizedKeysCommand. For a certificate whose PK token is valid and whose identity
the policy allows to log in as USER, print one authorized_keys line. Print nothing otherwise.

Flags stand before USER only: USER and KEY come from the network.

  --config-dir DIR   folder with providers, auth_id and config.yml (default ` + defaultConfigDir + `)
  --cache-dir DIR    folder for the providers' keys, owned by the user that sshd runs this as
                     (default ` + defaultCacheDir + `)
  -v, --verbose      log at level debug, and to standard error unless sshd asks

Exit status: 0 decided: the line was printed, or nothing; 2 wrong usage. A refusal is no failure: sshd would
log the whole command, and with it the tokens in the certificate.`,
		Example: `  # in sshd_config
  AuthorizedKeysCommand /usr/local/bin/verifier verify %u %k %t
  AuthorizedKeysCommandUser opksshuser`,
		// cobra would take a user called --help for a flag.
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			var options verifyOptions
			flags := options.flags()
			arguments, err := parseVerifyArguments(args)
			if err != nil {
				// No key: a person typed this.
				if flags.Parse(args) == nil && options.help {
					return cmd.Help()
				}
				return usageError(err)
			}
			if err := flags.Parse(arguments.flags); err != nil {
				return usageError(err)
			}
			if flags.NArg() > 0 {
				return usageError(fmt.Errorf("unexpected %+q before the user", flags.Arg(0)))
			}
			return runVerify(cmd.Context(), options, arguments, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
}

// verifyMemory is how much a verification may take before rubbish is collected: most end with less, and waste no time on it.
const verifyMemory = 20 << 20

// exitDecided is the exit status of an answer, a refusal too: where the command fails, sshd logs it with its arguments, and the
// certificate among them holds tokens.
const exitDecided = 0

func runVerify(ctx context.Context, options verifyOptions, arguments *verifyArguments, stdout, stderr io.Writer) error {
	started := time.Now()
	arguments.hideKey()
	_ = sandbox.CloseMemory() // what does not work is said by sandbox.Enter
	runtimedebug.SetGCPercent(-1)
	runtimedebug.SetMemoryLimit(verifyMemory)
	debug := func(format string, values ...any) {
		if options.verbose {
			_, _ = fmt.Fprintf(stderr, format+"\n", values...)
		}
	}
	key, err := parseKey(arguments)
	if err != nil {
		debug("not a key that can be read: %v", err)
		return runChain(ctx, options, arguments, stdout, stderr)
	}
	cert, err := sshcert.FromKey(key)
	if err != nil {
		debug("%s key: %v", key.Type(), err)
		return runChain(ctx, options, arguments, stdout, stderr)
	}
	// The context ends what listens to it; the alarm ends everything else. A refusal and no line on time are the same to sshd.
	var opened atomic.Pointer[slog.Logger]
	alarm := time.AfterFunc(verifyTimeout, func() {
		// Perhaps it is the log that hangs.
		time.AfterFunc(time.Second, func() { os.Exit(exitDecided) })
		log := opened.Load()
		if log == nil {
			log = newLogger(policy.Log{}, options.verbose, stderr)
		}
		newRecord(started, arguments, cert).refused(log, &sshauth.Refusal{Err: errTimeout})
		os.Exit(exitDecided)
	})
	defer alarm.Stop()
	ctx, cancel := context.WithTimeout(ctx, verifyTimeout-500*time.Millisecond)
	defer cancel()

	config, configErr := readConfig(options.configDir)
	logConfig := policy.Log{}
	if configErr == nil {
		logConfig = config.Log
	}
	log := newLogger(logConfig, options.verbose, stderr)
	opened.Store(log)
	record := newRecord(started, arguments, cert)
	if configErr != nil {
		record.refused(log, &sshauth.Refusal{Err: configErr})
		return nil
	}
	cache := &idp.Cache{
		Dir:     options.cacheDir,
		Network: hostNetwork(config, log.Warn),
		TTL:     config.KeyCache.TTL, MaxStale: config.KeyCache.MaxStale,
		MinRefresh: config.KeyCache.MinRefresh, Timeout: config.KeyCache.Timeout,
		Warn: log.Warn,
	}
	if absolute, err := filepath.Abs(options.configDir); err == nil {
		options.configDir = absolute // the monitor is in another folder
	}
	plugins := newHostPlugins(options.configDir, config, arguments, log, alarm)
	source := &hostSource{folder: options.configDir, config: config, log: log}
	var read readSource
	read.configuration, read.err = source.Configuration(ctx, arguments.user)
	var beside *monitor
	if config.Sandbox && sandbox.Supported {
		beside = confine(arguments.user, source, plugins, read.configuration, cache)
	}
	authenticator := &sshauth.Authenticator{Source: &read, Keys: cache, Userinfo: cache, Judge: plugins}
	grant, err := authenticator.Authorize(ctx, arguments.user, key)
	beside.close()
	var line string
	if err == nil {
		line, err = grant.AuthorizedKeysLine()
	}
	if err != nil {
		var refusal *sshauth.Refusal
		if !errors.As(err, &refusal) {
			refusal = &sshauth.Refusal{Err: err}
		}
		record.refused(log, refusal)
		return nil
	}
	// First the log: what happens after the answer may not happen any more.
	record.granted(log, grant, options.cacheDir)
	_, err = fmt.Fprintln(stdout, line)
	return err
}

// parseKey reads sshd's %k and %t.
func parseKey(arguments *verifyArguments) (ssh.PublicKey, error) {
	wire, err := base64.StdEncoding.Strict().DecodeString(arguments.key)
	if err == nil && strings.ContainsAny(arguments.key, "\r\n") {
		err = errors.New("expected base64 on one line") // package base64 passes over line ends
	}
	if err != nil {
		return nil, err
	}
	key, err := ssh.ParsePublicKey(wire)
	if err != nil {
		return nil, err
	}
	if key.Type() != arguments.keyType {
		return nil, fmt.Errorf("expected a key of type %+q, got %+q", arguments.keyType, key.Type())
	}
	return key, nil
}
