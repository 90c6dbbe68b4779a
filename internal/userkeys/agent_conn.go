package userkeys

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

// AgentTimeout is for one thing that an agent is asked, which may ask its owner first.
const AgentTimeout = 2 * time.Minute

// agentConn is a connection to an agent, which is over once something on it failed: what comes later may be the answer to the question
// before.
type agentConn struct {
	ctx    context.Context // its end is the connection's
	forget func() bool     // that
	conn   io.ReadWriteCloser
	failed error
}

func dialAgentConn(ctx context.Context, address string) (*agentConn, error) {
	conn, err := dialAgent(ctx, address)
	if err != nil {
		return nil, err
	}
	return &agentConn{ctx: ctx, forget: context.AfterFunc(ctx, func() { _ = conn.Close() }), conn: conn}, nil
}

// dialSocket is for an agent that listens on a Unix socket.
func dialSocket(ctx context.Context, path string) (io.ReadWriteCloser, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	var op *net.OpError
	if errors.As(err, &op) {
		err = fmt.Errorf("%s (SSH_AUTH_SOCK): %w", path, op.Err)
	}
	return conn, err
}

// beginAsking: an agent that does not answer must not hold up a login for ever. A pipe of Windows has no deadlines.
func (c *agentConn) beginAsking() {
	if conn, ok := c.conn.(net.Conn); ok {
		_ = conn.SetDeadline(time.Now().Add(AgentTimeout)) // what is wrong with the connection, the next request tells
	}
}

// isSilent is whether the agent did not answer in time, as it would not on another connection either.
func (c *agentConn) isSilent() bool {
	return c.failed != nil && (c.ctx.Err() != nil || errors.Is(c.failed, errNoAnswer))
}

var errNoAnswer = fmt.Errorf("expected an answer within %s, got none", AgentTimeout)

// Read reads an answer.
func (c *agentConn) Read(p []byte) (int, error) { return c.transfer(c.conn.Read, p) }

// Write sends a question.
func (c *agentConn) Write(p []byte) (int, error) { return c.transfer(c.conn.Write, p) }

func (c *agentConn) transfer(do func([]byte) (int, error), p []byte) (int, error) {
	if c.failed != nil {
		return 0, c.failed
	}
	n, err := do(p)
	switch {
	case err == nil:
	case c.ctx.Err() != nil:
		c.failed = context.Cause(c.ctx)
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.failed = errNoAnswer
	default:
		c.failed = err
	}
	return n, err
}

// Close ends the connection.
func (c *agentConn) Close() error {
	c.forget()
	return c.conn.Close()
}
