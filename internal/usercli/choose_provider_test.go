package usercli

import (
	"bufio"
	"context"
	"errors"
	"io"
	"testing"

	"opkssh/internal/login"
)

// Nobody answers, and nothing ends the read: only the context does.
func TestWaitingForAnAnswerEndsWithTheContext(t *testing.T) {
	reader, writer := io.Pipe()
	defer func() { _ = writer.Close() }()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := nextLine(ctx, bufio.NewScanner(reader))
	var failure *login.Error
	if !errors.As(err, &failure) || failure.Code != login.CodeCanceled {
		t.Errorf("expected %s, got %v", login.CodeCanceled, err)
	}
}

func TestNoAnswerIsAnError(t *testing.T) {
	reader, writer := io.Pipe()
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	if answer, err := nextLine(context.Background(), bufio.NewScanner(reader)); err == nil {
		t.Errorf("got the answer %q", answer)
	}
}
