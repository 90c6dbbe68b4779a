package login

import (
	"bytes"
	"context"
	"io"
	"os/exec"
	"strings"
	"time"
)

// CommitmentWord stands for the commitment in the words of an [IDTokenCommand], and CommitmentVariable is set to it in the
// command's environment.
const (
	CommitmentWord     = "{commitment}"
	CommitmentVariable = "OPKSSH_COMMITMENT"
)

// IDTokenCommand is a program that prints an ID token and nothing else.
type IDTokenCommand struct {
	Words   []string  // the program and its arguments; no shell is involved
	Environ []string  // NAME=VALUE
	Stderr  io.Writer // gets what the program says beside; nil drops it
}

// IDToken implements [IDTokenSource].
func (c IDTokenCommand) IDToken(ctx context.Context, commitment string) ([]byte, error) {
	words := make([]string, len(c.Words))
	for i, word := range c.Words {
		words[i] = strings.ReplaceAll(word, CommitmentWord, commitment)
	}
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Env = append(append([]string{}, c.Environ...), CommitmentVariable+"="+commitment)
	cmd.Stderr = c.Stderr
	cmd.WaitDelay = 5 * time.Second // for programs that it leaves behind with its standard error
	output, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, &Error{Code: CodeIDTokenSource, Detail: "ID token command", Err: err}
	}
	data, err := readSecret(output)
	if err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return nil, &Error{Code: CodeIDTokenSource, Detail: "output of the ID token command", Err: err}
	}
	if err := cmd.Wait(); err != nil {
		clear(data)
		return nil, &Error{Code: CodeIDTokenSource, Detail: "the ID token command " + words[0] + " failed", Err: err}
	}
	jwt := bytes.TrimSpace(data)
	if len(jwt) == 0 {
		return nil, &Error{Code: CodeIDTokenSource, Detail: "the ID token command " + words[0] + " printed nothing"}
	}
	return jwt, nil
}
