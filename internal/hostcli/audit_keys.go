package hostcli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"opkssh/internal/idp"
	"opkssh/pkg/pktoken"
	"opkssh/pkg/policy"
)

// checkKeys looks at the cache as the user does whose it is.
func (a *auditor) checkKeys(ctx context.Context) {
	if a.account == nil || a.configErr != nil || a.unrunnable || a.unreadable {
		a.skipped = true
		return // said already: nobody can log in
	}
	if user := os.Geteuid(); user != 0 && user != int(a.account.UID) {
		a.skipped = true
		a.note(codeCacheFolder, fmt.Sprintf("only %s and root may look into %s", a.account.Name, a.cacheDir), "run it as root")
		return
	}
	var stdout, stderr bytes.Buffer
	run := &keysRun{keysOptions{configDir: a.configDir, cacheDir: a.cacheDir, user: a.account.Name, json: true}, &stdout, &stderr}
	if _, err := os.Lstat(a.cacheDir); os.IsNotExist(err) {
		a.warning(codeCacheFolder, a.cacheDir+" is missing: every login asks the provider", "verifier permissions install")
		return
	}
	// An error beside a list is about rows that are left out: said already.
	err := run.asCacheOwner(ctx, nil, keysArguments("list", run.keysOptions), run.list)
	var reports []keysReport
	if noList := json.Unmarshal(stdout.Bytes(), &reports); noList != nil {
		text := strings.Join(strings.Fields(fmt.Sprint(cmp.Or(err, noList), " ", stderr.String())), " ")
		a.warning(codeCacheFolder, fmt.Sprintf("%s cannot be used: %s: every login asks the provider", a.cacheDir, text), "verifier permissions install")
		return
	}
	for _, r := range reports {
		a.checkKeysOf(r)
	}
}

func (a *auditor) checkKeysOf(r keysReport) {
	a.held[r.Issuer] = r.State == keysFresh || r.State == keysStale
	if !r.Configured {
		return
	}
	f := auditFinding{File: r.File, Text: r.sentence(a.now), Hint: "verifier keys refresh --all"}
	switch r.State {
	case keysMissing:
		f.Code, f.Severity = codeKeysMissing, policy.SeverityNote
		f.Text = r.Issuer + ": no keys are held: the first login asks the provider"
	case keysTooOld:
		f.Code, f.Severity = codeKeysTooOld, policy.SeverityWarning
	case keysStale:
		// Half the time is gone: it is not only that nobody has logged in for an hour.
		if r.StaleUntil.Sub(a.now) > r.StaleUntil.Sub(*r.FreshUntil)/2 {
			return
		}
		f.Code, f.Severity = codeKeysStale, policy.SeverityWarning
	default:
		return
	}
	a.add(f)
}

const (
	probeTimeout = 10 * time.Second
	// maxProbes is how many providers are asked at the same time.
	maxProbes = 8
	// skewTolerance is how far a token's time may be in the future: pktoken.
	skewTolerance = 60 * time.Second
	skewWarning   = 10 * time.Second
)

// checkNetwork asks each provider as a login would that has no keys.
func (a *auditor) checkNetwork(ctx context.Context) {
	if a.skipped = a.offline || a.configErr != nil; a.skipped {
		return
	}
	issuers := a.issuers()
	a.skipped = len(issuers) == 0 // said already
	probes, errs := make([]*idp.Probe, len(issuers)), make([]error, len(issuers))
	cache := hostCache("", a.config, probeTimeout, nil)
	var asking sync.WaitGroup
	slots := make(chan struct{}, maxProbes)
	for i, issuer := range issuers {
		asking.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			probes[i], errs[i] = cache.Probe(ctx, issuer)
		})
	}
	asking.Wait()
	for i, issuer := range issuers {
		if errs[i] != nil {
			a.providerDown(issuer, errs[i])
			continue
		}
		a.checkProbe(issuer, probes[i])
		if a.config.Sandbox {
			a.checkPorts(probes[i], cache.Network.Ports(issuers))
		}
	}
}

// checkPorts: what is asked here is asked outside the sandbox that a login is in.
func (a *auditor) checkPorts(p *idp.Probe, allowed []uint16) {
	for _, endpoint := range p.Endpoints {
		if !slices.Contains(allowed, idp.Port(endpoint)) {
			a.error(codeSandboxPort, endpoint+" is at a port that a login in its sandbox cannot connect to",
				"let the provider have it at port 443 or at the issuer's own, or in config.yml: sandbox: false")
		}
	}
}

func (a *auditor) providerDown(issuer string, err error) {
	const hint = "network, name service, proxy (env_vars of config.yml) or certificate authority; without a route: verifier keys import"
	if a.held[issuer] {
		a.warning(codeProviderDown, fmt.Sprintf("%s: %v: the keys that are held serve for a while", issuer, err), hint)
		return
	}
	a.error(codeProviderDown, fmt.Sprintf("%s: %v: nobody can log in with it", issuer, err), hint)
}

func (a *auditor) checkProbe(issuer string, p *idp.Probe) {
	ours := pktoken.Algorithms()
	if len(p.Algorithms) > 0 && !slices.ContainsFunc(p.Algorithms, func(alg string) bool { return slices.Contains(ours, alg) }) {
		a.warning(codeProviderAlgorithm, fmt.Sprintf("%s: signs with none of %s", issuer, strings.Join(ours, ", ")), "")
	}
	skew := p.Skew.Abs().Round(time.Second)
	text := fmt.Sprintf("this host's clock differs from that of %s by %s", issuer, skew)
	if p.Skew > 0 {
		text += ": ours is behind, or theirs ahead"
	} else {
		text += ": ours is ahead, or theirs behind"
	}
	const hint = "timedatectl status; chronyc tracking"
	switch {
	case !p.SkewKnown:
		a.note(codeClockUnknown, issuer+" does not say what time it is", "")
	case skew > skewTolerance && p.Skew > 0:
		a.error(codeClockSkew, text+": tokens seem to be from the future, and are refused", hint)
	case skew > skewTolerance:
		a.error(codeClockSkew, text+": tokens seem to be older than they are", hint)
	case skew > skewWarning:
		a.warning(codeClockSkew, text, hint)
	}
}
