// Package plugin asks a host's policy plugins: programs of the administrator that have a say in who may log in.
package plugin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"opkssh/internal/hostfiles"
	"opkssh/pkg/pktoken"
	"opkssh/pkg/policy"
)

// Timeout is the most that one plugin takes. Those of one mode run side by side, so that a login takes at most twice as long.
const Timeout = 5 * time.Second

// Plugins are those of one host, for the logins of one key. The zero value, with a Log, has none.
type Plugins struct {
	Folder string         // such as /etc/opk/policy.d
	Config *policy.Config // for its environment variables; nil means none
	SSHD   SSHD
	Log    *slog.Logger
	Runner Runner // nil: this process runs them
}

// SSHD is what sshd has said beside the user.
type SSHD struct {
	Key, KeyType string   // %k and %t
	Further      []string // further arguments
}

// Judge completes what the rules have decided: a decision, or the error denied because no rule fits. In the second case a
// plugin of mode allow may allow, and if none does, denied stays. Then every plugin of mode require must allow. Plugins are
// asked in the order of their files' names. Errors other than denied are [*policy.Denied].
//
// A file that cannot be used denies, unless it is surely not of mode require (see [policy.MayRequirePlugin]): it counts as a plugin
// of mode allow that does not allow then. Of one that cannot be read or trusted nobody knows.
func (p *Plugins) Judge(
	ctx context.Context, v *pktoken.Verified, r policy.Request, decision *policy.Decision, denied error,
) (*policy.Decision, error) {
	files, faults := hostfiles.ReadSystemFolder(p.Folder, ".yml")
	return p.judge(ctx, v, r, decision, denied, files, faults)
}

func (p *Plugins) judge(
	ctx context.Context, v *pktoken.Verified, r policy.Request, decision *policy.Decision, denied error,
	files []hostfiles.File, faults []error,
) (*policy.Decision, error) {
	if len(files)+len(faults) == 0 {
		return decision, denied
	}
	all := p.parse(files, faults)
	variables, err := p.variables(v, r)
	if err != nil {
		p.Log.Warn("plugins cannot be run", "detail", err.Error())
		variables = nil
	}
	if denied != nil {
		allowing := p.first(ctx, all.allowing, variables, true)
		if allowing == nil {
			return nil, denied
		}
		decision = &policy.Decision{Plugin: allowing.Name, Rule: policy.Rule{File: allowing.File, Line: allowing.Line}}
	}
	if all.unusable != nil {
		return nil, all.unusable
	}
	if refusing := p.first(ctx, all.required, variables, false); refusing != nil {
		return nil, &policy.Denied{
			Reason: policy.ReasonPluginRequired, Detail: fmt.Sprintf("the plugin %+q did not allow the login", refusing.Name),
			File: refusing.File, Line: refusing.Line, Plugin: refusing.Name,
		}
	}
	return decision, nil
}

// parsed is a folder's content.
type parsed struct {
	allowing, required []*policy.Plugin
	unusable           *policy.Denied // the first file that may be required and cannot be used
}

func (p *Plugins) parse(files []hostfiles.File, faults []error) *parsed {
	all := &parsed{}
	unusable := func(file string, err error) {
		if all.unusable == nil {
			all.unusable = &policy.Denied{
				Reason: policy.ReasonPluginRequired, Detail: "a plugin that may be required cannot be used: " + err.Error(), File: file,
			}
		}
	}
	for _, err := range faults {
		p.Log.Warn("plugin cannot be used", attributes(err)...)
		unusable(p.Folder, err)
	}
	for _, f := range files {
		plugin, err := policy.ParsePlugin(f.Path, f.Data)
		switch {
		case err != nil:
			p.Log.Warn("plugin cannot be used", "file", f.Path, "detail", err.Error())
			if policy.MayRequirePlugin(f.Data) {
				unusable(f.Path, err)
			}
		case plugin.Require:
			all.required = append(all.required, plugin)
		default:
			all.allowing = append(all.allowing, plugin)
		}
	}
	return all
}

// first asks plugins side by side, and gives the first of them, in their order, whose answer is the wanted one; nil without
// one. It waits for no answer behind that one. Without variables every answer is no.
func (p *Plugins) first(ctx context.Context, plugins []*policy.Plugin, variables []string, wanted bool) *policy.Plugin {
	var outcomes []Outcome
	if variables != nil && len(plugins) > 0 {
		outcomes = p.runner().Run(ctx, plugins, variables, wanted)
	}
	for i, plugin := range plugins {
		var outcome Outcome
		if i < len(outcomes) {
			outcome = outcomes[i]
			p.log(ctx, plugin, outcome)
		}
		if outcome.Allow == wanted {
			return plugin
		}
	}
	return nil
}

func (p *Plugins) runner() Runner {
	if p.Runner != nil {
		return p.Runner
	}
	return &Programs{Config: p.Config}
}

// log says what a plugin said and how it ended.
func (p *Plugins) log(ctx context.Context, plugin *policy.Plugin, o Outcome) {
	log := p.Log.With("plugin", plugin.Name, "file", plugin.File)
	o.logLines(log)
	switch {
	case ctx.Err() != nil: // nobody wants the answer any more
	case o.Failure != "" && o.Hint != "":
		log.Warn("plugin failed", "detail", o.Failure, "hint", o.Hint)
	case o.Failure != "":
		log.Warn("plugin failed", "detail", o.Failure)
	default:
		log.Debug("plugin answered", "allow", o.Allow, "status", o.Status)
	}
}

func attributes(err error) []any {
	attributes := []any{"detail", err.Error()}
	var fault *hostfiles.Fault
	if errors.As(err, &fault) && fault.Hint != "" {
		attributes = append(attributes, "hint", fault.Hint)
	}
	return attributes
}
