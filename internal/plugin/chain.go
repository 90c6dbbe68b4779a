package plugin

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"strings"

	"opkssh/internal/hostfiles"
	"opkssh/pkg/policy"
)

// maxKeys is the most that the commands of a chain may print together, in bytes.
const maxKeys = 1 << 20

// Chain are the other programs that a host asks for authorized keys (`chain` of config.yml): sshd itself has room for one.
type Chain struct {
	Config *policy.Config
	Log    *slog.Logger

	program func(path string) (string, error) // hostfiles.SystemProgram where it is nil
}

// Keys runs each command for a key that is not ours, as sshd passed it (%u, %k and %t), and returns what they print: lines for
// sshd, in the order of the commands. A command that fails, prints more than 1 MiB, or could have been replaced by somebody else than
// root adds nothing.
func (c *Chain) Keys(ctx context.Context, user, key, keyType string) []byte {
	tokens := map[byte]string{'%': "%", 'u': user, 'k': key, 't': keyType, 'f': fingerprint(key)}
	environment := environment(c.Config, nil)
	var keys []byte
	for _, command := range c.Config.Chain {
		words := make([]string, len(command))
		for i, word := range command {
			words[i] = expand(word, tokens)
		}
		answer, err := c.run(ctx, words, environment)
		var exit *exec.ExitError
		switch {
		case errors.As(err, &exit):
			// How these programs say that they know no such user.
			c.Log.Debug("chain: no answer", "command", command[0], "error", err.Error())
			continue
		case err == nil && len(keys)+len(answer) > maxKeys:
			err = fmt.Errorf("it printed more than %d bytes", maxKeys)
		}
		if err != nil {
			c.Log.Warn("chain: command failed", "command", command[0], "error", err.Error())
			continue
		}
		keys = append(keys, answer...)
		if len(answer) > 0 && !bytes.HasSuffix(answer, []byte("\n")) {
			keys = append(keys, '\n')
		}
	}
	return keys
}

func (c *Chain) run(ctx context.Context, words, environment []string) ([]byte, error) {
	check := c.program
	if check == nil {
		check = hostfiles.SystemProgram
	}
	program, err := check(words[0])
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	stdout := &capture{most: maxKeys + 1, full: stop}
	cmd := &exec.Cmd{Path: program, Args: words, Env: environment, Dir: "/", Stdout: stdout, WaitDelay: lingering}
	err = runGroup(ctx, cmd)
	if ctx.Err() != nil && err != nil && !stdout.overflown {
		return nil, errTimeout
	}
	if err != nil && !stdout.overflown && !errors.Is(err, exec.ErrWaitDelay) {
		return nil, err
	}
	return stdout.text.Bytes(), nil
}

// expand replaces tokens once, so that what they stand for is not looked at again. The parser of config.yml let no other through.
func expand(word string, tokens map[byte]string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(word, "%")
		b.WriteString(before)
		if !found || after == "" {
			return b.String()
		}
		b.WriteString(tokens[after[0]])
		word = after[1:]
	}
}

// fingerprint is sshd's %f of a key in base64.
func fingerprint(key string) string {
	wire, err := base64.StdEncoding.DecodeString(key)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(wire)
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
}
