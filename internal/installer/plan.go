//go:build linux

package installer

import (
	"errors"
	"fmt"
)

// Step is one change of the host.
type Step struct {
	Action string `json:"action"` // create, replace, change, remove, run
	Path   string `json:"path"`   // as the host sees it; of run, the command
	Reason string `json:"reason"`

	// do makes the change, and gives what takes it back, or nil where nothing has to.
	do func() (undo func() error, err error)
}

// fault says of which step err is. A refusal of what a command says names the command.
func (s Step) fault(err error) error {
	var refusal *Refusal
	if errors.As(err, &refusal) && refusal.Path == s.Path {
		return fmt.Errorf("%s %w", s.Action, err)
	}
	return fmt.Errorf("%s %s: %w", s.Action, s.Path, err)
}

// Plan is what will be done to a host, in this order.
type Plan struct {
	Steps   []Step
	Remarks []string // what is not done, and why; what the administrator has to know

	host   *host
	before *manifest // as it is on the host
	after  *manifest
	listed *manifest // the one of these that the host's file has, or their union
	user   string    // as whom sshd runs the verifier, once that is known
	unlock func()
}

// Close lets others plan for this host. The error is nil.
func (p *Plan) Close() error {
	p.unlock()
	return nil
}

// Refusal is a host that is not what an installation or its undoing can work with. Nothing has been changed.
type Refusal struct {
	Path   string // as the host sees it, with the line behind it where one is meant
	Detail string
	Hint   string // what to do, or ""
}

// Error says what is wrong with which file.
func (r *Refusal) Error() string { return r.Path + ": " + r.Detail }

func (p *Plan) add(action, path, reason string, do func() (func() error, error)) {
	p.Steps = append(p.Steps, Step{Action: action, Path: path, Reason: reason, do: do})
}

func (p *Plan) remark(format string, values ...any) {
	p.Remarks = append(p.Remarks, fmt.Sprintf(format, values...))
}

// Apply does the steps. Where one fails, those before it are undone, the last first: then the host is as it was, and the error says
// which step it was and what could not be undone.
func (p *Plan) Apply() error {
	if len(p.Steps) == 0 {
		return nil
	}
	if err := p.list(p.before.union(p.after)); err != nil {
		return err
	}
	var undos []func() error
	for _, step := range p.Steps {
		undo, err := step.do()
		if err == nil {
			if undo != nil {
				undos = append(undos, undo)
			}
			continue
		}
		err = step.fault(err)
		for i := len(undos) - 1; i >= 0; i-- {
			if undoErr := undos[i](); undoErr != nil {
				err = fmt.Errorf("%w; and it could not be taken back: %w", err, undoErr)
			}
		}
		if leftErr := p.disownLeft(); leftErr != nil {
			err = fmt.Errorf("%w; and what stays in %s could not be given to root: %w", err, configFolder, leftErr)
		}
		if listErr := p.list(p.before); listErr != nil {
			err = fmt.Errorf("%w; and %s: %w", err, tooMuchListed, listErr)
		}
		return err
	}
	if err := p.list(p.after); err != nil {
		// All is done: to take it back for that would be worse. What the list names and is not there is passed over the next time.
		p.remark("%s, which does no harm: %v", tooMuchListed, err)
	}
	return nil
}

const tooMuchListed = ManifestPath + " goes on to name more than what is there"

// inReverse takes back all of what was done, the last first.
func inReverse(undos []func() error) func() error {
	return func() error {
		var errs []error
		for i := len(undos) - 1; i >= 0; i-- {
			errs = append(errs, undos[i]())
		}
		return errors.Join(errs...)
	}
}
