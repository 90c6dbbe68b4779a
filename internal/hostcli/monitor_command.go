package hostcli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/spf13/cobra"

	"opkssh/internal/hostfiles"
	"opkssh/internal/plugin"
	"opkssh/internal/sandbox"
	"opkssh/pkg/policy"
)

const (
	monitorName = "monitor"
	// monitorConnection is the file descriptor of its connection.
	monitorConnection = 3
	// monitorTimeout is longer than any login.
	monitorTimeout = verifyTimeout + 2*pluginsTimeout
	// maxMonitorCalls is longer than all calls of a login, in bytes: Linux starts no program with an environment of 2 MiB.
	maxMonitorCalls = 6 << 20
)

func monitorCommand() *cobra.Command {
	return &cobra.Command{
		Use:    monitorName,
		Short:  "start programs for a verify in its sandbox, which runs this itself",
		Hidden: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			notAlone := usageError(errors.New("expected to be started by verify, which needs nobody's help with that"))
			if len(args) > 0 {
				return notAlone
			}
			// FileConn makes a copy that programs do not get. The file itself would let a plugin answer for others.
			file := os.NewFile(monitorConnection, "connection")
			conn, err := net.FileConn(file)
			if err != nil {
				return notAlone
			}
			if err := errors.Join(file.Close(), sandbox.CloseMemory()); err != nil {
				return err
			}
			alarm := time.AfterFunc(monitorTimeout, func() { os.Exit(exitRefused) })
			defer alarm.Stop()
			return serveMonitor(cmd.Context(), conn)
		},
	}
}

// serveMonitor answers calls until the connection ends, and ends what it has started then.
func serveMonitor(ctx context.Context, conn net.Conn) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	calls := json.NewDecoder(io.LimitReader(conn, maxMonitorCalls))
	var setup monitorSetup
	if err := calls.Decode(&setup); err != nil {
		return fmt.Errorf("monitor: %w", err)
	}
	// Read while a call is answered, so that the end is noticed. There is one call at a time.
	next := make(chan monitorCall)
	go func() {
		defer cancel()
		for {
			var call monitorCall
			if calls.Decode(&call) != nil {
				return
			}
			select {
			case next <- call:
			case <-ctx.Done():
				return
			}
		}
	}()
	answers := json.NewEncoder(conn)
	for {
		select {
		case call := <-next:
			if err := answers.Encode(setup.answer(ctx, call)); err != nil {
				return nil //nolint:nilerr // nobody is there any more
			}
		case <-ctx.Done():
			return nil
		}
	}
}

func (s monitorSetup) answer(ctx context.Context, call monitorCall) *monitorAnswer {
	ctx, cancel := context.WithTimeout(ctx, call.Within)
	defer cancel()
	answer := &monitorAnswer{}
	var err error
	if len(call.Plugins) > 0 {
		answer.Outcomes, err = s.runPlugins(ctx, call)
	} else {
		answer.Home, err = s.home(ctx)
	}
	if err != nil {
		answer.Failure, answer.Hint = err.Error(), hintOf(err)
	}
	return answer
}

// home reads the rules of the user who logs in.
func (s monitorSetup) home(ctx context.Context) (*hostfiles.File, error) {
	config, err := readConfig(s.ConfigDir)
	if err != nil {
		return nil, err
	}
	if !config.HomePolicy {
		return nil, errors.New("config.yml has home_policy: false")
	}
	return readHome(ctx, s.User)
}

// runPlugins runs plugins of this host: what their files say now.
func (s monitorSetup) runPlugins(ctx context.Context, call monitorCall) ([]plugin.Outcome, error) {
	config, err := readConfig(s.ConfigDir)
	if err != nil {
		return nil, err
	}
	files, _ := hostfiles.ReadSystemFolder(pluginsFolder(s.ConfigDir), ".yml")
	ofHost := map[string]*policy.Plugin{}
	for _, f := range files {
		if p, err := policy.ParsePlugin(f.Path, f.Data); err == nil {
			ofHost[f.Path] = p
		}
	}
	plugins := make([]*policy.Plugin, len(call.Plugins))
	for i, file := range call.Plugins {
		if plugins[i] = ofHost[file]; plugins[i] == nil {
			return nil, fmt.Errorf("%s: expected a plugin of this host, once", file)
		}
		delete(ofHost, file)
	}
	return (&plugin.Programs{Config: config}).Run(ctx, plugins, call.Login, call.Wanted), nil
}
