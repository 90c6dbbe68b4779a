package userkeys_test

import (
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"opkssh/internal/userkeys"
)

// silentAgent takes connections and questions and answers none, like one that was forwarded by a computer that sleeps now.
type silentAgent struct {
	listener net.Listener
	heard    chan struct{} // has a value for each connection on which something was asked
	asked    chan string   // has what was asked on a connection that has ended
}

func startSilentAgent(t *testing.T) *silentAgent {
	t.Helper()
	listener, err := net.Listen("unix", filepath.Join(t.TempDir(), "agent"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	a := &silentAgent{listener, make(chan struct{}, 10), make(chan string, 10)}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go a.listen(conn)
		}
	}()
	return a
}

func (a *silentAgent) listen(conn net.Conn) {
	first := make([]byte, 1)
	if _, err := io.ReadFull(conn, first); err == nil {
		a.heard <- struct{}{}
	}
	rest, _ := io.ReadAll(conn)
	a.asked <- string(first) + string(rest)
}

func (a *silentAgent) dial(ctx context.Context, t *testing.T) *userkeys.Agent {
	t.Helper()
	client, err := userkeys.DialAgent(ctx, func(string) string { return a.listener.Addr().String() })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// TestSilentAgent: an agent that did not answer is not asked a second time.
func TestSilentAgent(t *testing.T) {
	who := alice
	who.end = time.Now().Add(time.Hour)
	key, cert := who.login(t, userkeys.ECDSA)
	everything := func(userkeys.Identity) bool { return true }
	interrupted := errors.New("interrupted")
	for name, c := range map[string]struct {
		ask  func(*userkeys.Agent) error
		stop func(*userkeys.Agent, context.CancelCauseFunc) error
		want string
	}{
		"list, interrupted": {
			func(a *userkeys.Agent) error { _, err := a.List(); return err },
			func(_ *userkeys.Agent, cancel context.CancelCauseFunc) error { cancel(interrupted); return nil },
			"list its keys: interrupted",
		},
		"list, too late": {
			func(a *userkeys.Agent) error { _, err := a.List(); return err },
			func(a *userkeys.Agent, _ context.CancelCauseFunc) error { return a.PassDeadline() },
			"list its keys: expected an answer within 2m0s, got none",
		},
		"add, interrupted": {
			func(a *userkeys.Agent) error { return a.Add(key, cert, "", userkeys.Constraints{}, time.Now()) },
			func(_ *userkeys.Agent, cancel context.CancelCauseFunc) error { cancel(interrupted); return nil },
			"take the key: interrupted",
		},
		"add, too late": {
			func(a *userkeys.Agent) error { return a.Add(key, cert, "", userkeys.Constraints{}, time.Now()) },
			func(a *userkeys.Agent, _ context.CancelCauseFunc) error { return a.PassDeadline() },
			"take the key: expected an answer within 2m0s, got none",
		},
	} {
		t.Run(name, func(t *testing.T) {
			silent := startSilentAgent(t)
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			client := silent.dial(ctx, t)
			answer := make(chan error, 1)
			go func() { answer <- c.ask(client) }()
			<-silent.heard
			if err := c.stop(client, cancel); err != nil {
				t.Fatal(err)
			}
			first := <-answer
			if first == nil || !strings.HasSuffix(first.Error(), c.want) {
				t.Errorf("expected %q, got %v", c.want, first)
			}
			_, second := client.Remove(everything)
			if again := errors.Unwrap(second); again == nil || again != errors.Unwrap(first) {
				t.Errorf("expected the same for another question, got %v", second)
			}
			_ = client.Close()
			asked := <-silent.asked
			if length := len(asked); length < 5 || int(asked[2])<<8+int(asked[3])+4 != length {
				t.Errorf("expected one question, got %d bytes: %q", length, asked)
			}
			if len(silent.heard) > 0 {
				t.Error("it was asked on another connection too")
			}
		})
	}
}
