//go:build linux

package installer

const (
	unitFolder  = "/etc/systemd/system"
	serviceUnit = "opkssh-keys.service"
	timerUnit   = "opkssh-keys.timer"
	timerLink   = unitFolder + "/timers.target.wants/" + timerUnit
)

// planTimer plans that systemd keeps the providers' keys fresh, enabled as `systemctl enable` does, which an image cannot run.
func (p *Plan) planTimer(program string) error {
	if p.host.firstOf("/usr/lib/systemd/systemd", "/lib/systemd/systemd") == "" {
		p.remark("no systemd on this host: no timer for: verifier keys refresh --all")
		return nil
	}
	first := len(p.Steps)
	if err := p.planFile(unitFolder+"/"+serviceUnit, hostFile(serviceUnit, program, p.user), owner{mode: 0o644}, "fetches the providers' keys", false); err != nil {
		return err
	}
	if err := p.planFile(unitFolder+"/"+timerUnit, hostFile(timerUnit, program, p.user), owner{mode: 0o644}, "says how often", false); err != nil {
		return err
	}
	if err := p.planLink(timerLink, "../"+timerUnit, "the timer starts with the system"); err != nil {
		return err
	}
	systemctl := runningSystemd()
	if len(p.Steps) == first || p.host.image() || systemctl == "" {
		return nil
	}
	p.add("run", "systemctl daemon-reload", "systemd reads the new units", func() (func() error, error) {
		_, err := runProgram(systemctl, "daemon-reload")
		return nil, err
	})
	p.add("run", "systemctl restart "+timerUnit, "the timer starts now", func() (func() error, error) {
		_, err := runProgram(systemctl, "restart", timerUnit)
		return func() error {
			_, err := runProgram(systemctl, "stop", timerUnit)
			return err
		}, err
	})
	return nil
}

// planStopTimer plans that systemd forgets the units, whose files go afterwards.
func (p *Plan) planStopTimer() {
	systemctl := runningSystemd()
	if _, ours := p.before.find(madeFile, unitFolder+"/"+timerUnit); !ours || p.host.image() || systemctl == "" {
		return
	}
	p.add("run", "systemctl stop "+timerUnit, "the timer goes", func() (func() error, error) {
		_, err := runProgram(systemctl, "stop", timerUnit)
		return func() error {
			_, err := runProgram(systemctl, "start", timerUnit)
			return err
		}, err
	})
}
