package hostcli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"opkssh/internal/hostfiles"
	"opkssh/internal/plugin"
	"opkssh/pkg/policy"
)

// A verification in its sandbox starts no program. Sudo for home rules, getent and plugins are started by a second process of this
// program without a sandbox, the monitor, as sshd's own monitor does for what its unprivileged process may not. The monitor
// reads the host's files itself: it can be asked for nothing but the rules of the user who logs in, and the plugins of the host.

// monitorCall is a question to the monitor, as a line of JSON. The first line on the connection is a monitorSetup.
type monitorCall struct {
	Within  time.Duration // answer by then, whatever happens
	Plugins []string      `json:",omitempty"` // run those of these files; none: read the home rules
	Login   []string      `json:",omitempty"` // the plugins' variables
	Wanted  bool          `json:",omitempty"` // stop at the first plugin with this answer
}

// monitorSetup is all that the monitor learns from the verification before it enters its sandbox.
type monitorSetup struct{ ConfigDir, User string }

type monitorAnswer struct {
	Outcomes []plugin.Outcome `json:",omitempty"`
	Home     *hostfiles.File  `json:",omitempty"` // nil: there is none
	Failure  string           `json:",omitempty"`
	Hint     string           `json:",omitempty"`
}

// monitor is the connection to it. It implements [plugin.Runner], and may be used by one goroutine.
type monitor struct {
	conn    *os.File
	answers *json.Decoder
	err     error // why there is none, or no more
}

// startMonitor starts one. Without one, every call fails.
func startMonitor(setup monitorSetup) *monitor {
	m := &monitor{}
	if m.conn, m.err = startBeside(); m.err == nil {
		m.answers = json.NewDecoder(m.conn)
		m.err = json.NewEncoder(m.conn).Encode(setup)
	}
	return m
}

// call asks, and waits for the answer while ctx lasts. After an error the connection is of no use any more.
func (m *monitor) call(ctx context.Context, c monitorCall) (*monitorAnswer, error) {
	if m.err != nil {
		return nil, fmt.Errorf("monitor: %w", m.err)
	}
	// The monitor ends what takes too long. Without its answer the connection is of no use for the next call.
	const leeway = 200 * time.Millisecond
	c.Within = monitorTimeout
	if deadline, ok := ctx.Deadline(); ok {
		c.Within = time.Until(deadline) - leeway
	}
	stop := context.AfterFunc(ctx, func() { _ = m.conn.Close() })
	defer stop()
	var answer monitorAnswer
	m.err = json.NewEncoder(m.conn).Encode(c)
	if m.err == nil {
		m.err = m.answers.Decode(&answer)
	}
	if m.err != nil {
		return nil, fmt.Errorf("monitor: %w", errors.Join(context.Cause(ctx), m.err))
	}
	return &answer, nil
}

// close ends the process, which notices the end of the connection. Nobody waits for it: that would take longer than most logins, and
// the host's first process takes it away. There may be no monitor.
func (m *monitor) close() {
	if m != nil && m.conn != nil {
		_ = m.conn.Close()
	}
}

// readHome is [readHome] of the user who logs in.
func (m *monitor) readHome(ctx context.Context, _ string) (*hostfiles.File, error) {
	answer, err := m.call(ctx, monitorCall{})
	if err != nil {
		return nil, err
	}
	if answer.Failure != "" {
		return nil, &exitError{text: answer.Failure, hint: answer.Hint}
	}
	return answer.Home, nil
}

// Run implements [plugin.Runner].
func (m *monitor) Run(ctx context.Context, plugins []*policy.Plugin, login []string, wanted bool) []plugin.Outcome {
	call := monitorCall{Login: login, Wanted: wanted}
	for _, p := range plugins {
		call.Plugins = append(call.Plugins, p.File)
	}
	answer, err := m.call(ctx, call)
	switch {
	case err != nil:
		return []plugin.Outcome{{Status: -1, Failure: err.Error()}}
	case answer.Failure != "":
		return []plugin.Outcome{{Status: -1, Failure: answer.Failure, Hint: answer.Hint}}
	}
	return answer.Outcomes
}
