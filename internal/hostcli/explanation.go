package hostcli

import (
	"context"
	"encoding/base64"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"opkssh/internal/plugin"
	"opkssh/pkg/pktoken"
	"opkssh/pkg/policy"
	"opkssh/pkg/sshauth"
)

// The decisions of an explanation. The third is for what plugins that were not asked decide.
const (
	decisionAllow     = "allow"
	decisionDeny      = "deny"
	decisionUndecided = "undecided"
)

// explanation is what would happen at a login, and why. Members that the audit log has, too, mean the same there.
type explanation struct {
	Decision     string         `json:"decision"` // allow, deny or undecided
	Reason       string         `json:"reason,omitempty"`
	User         string         `json:"user"`
	Issuer       string         `json:"issuer,omitempty"`
	Subject      string         `json:"sub,omitempty"`
	Email        string         `json:"email,omitempty"`
	Claims       map[string]any `json:"claims,omitempty"`
	Unverified   string         `json:"unverified_issuer,omitempty"`
	ProviderRow  string         `json:"provider_row,omitempty"`
	ValidUntil   string         `json:"valid_until,omitempty"`
	RuleFile     string         `json:"rule_file,omitempty"`
	RuleLine     int            `json:"rule_line,omitempty"`
	Plugin       string         `json:"plugin,omitempty"`
	Options      string         `json:"options,omitempty"` // as auth_id spells them
	Detail       string         `json:"detail,omitempty"`
	Expected     string         `json:"expected,omitempty"`
	Got          string         `json:"got,omitempty"`
	Line         string         `json:"authorized_keys,omitempty"` // what sshd would get
	Files        []explainFile  `json:"files"`
	Findings     []finding      `json:"left_out"`
	Rules        []explainRule  `json:"rules"`
	HomeRules    string         `json:"home_rules"` // off, not-needed, not-read, none or read
	Warnings     []string       `json:"warnings,omitempty"`
	Hypothetical bool           `json:"hypothetical,omitempty"`

	verified *pktoken.Verified
}

// explainFile is a file that was looked at.
type explainFile struct {
	Path  string `json:"path"`
	State string `json:"state"` // read or absent; what was left out is among the findings
}

// explainRule is a rule for the user, in the order of a login, or a file that may hold one and cannot be read: without Line and Rule.
type explainRule struct {
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"`
	Rule    string `json:"rule,omitempty"`
	Outcome string `json:"outcome"`
	Detail  string `json:"detail"`
	Decides bool   `json:"decides,omitempty"`
}

// explainer asks the pipeline of a login what it would say, and watches what it looks at. It answers nobody but the person who runs it.
type explainer struct {
	configDir string
	files     reader
	plugins   pluginsMode
	now       time.Time
}

// watchedSource remembers what it gave a login.
type watchedSource struct {
	hostSource
	configuration *sshauth.Configuration
	home          []policy.Rule
	homeAsked     bool
}

// Configuration implements [sshauth.Source]. The files are read once.
func (s *watchedSource) Configuration(ctx context.Context, user string) (*sshauth.Configuration, error) {
	if s.configuration != nil {
		return s.configuration, nil
	}
	c, err := s.hostSource.Configuration(ctx, user)
	if err != nil {
		return nil, err
	}
	if home := c.Home; home != nil {
		c.Home = func(ctx context.Context) []policy.Rule {
			s.homeAsked = true
			s.home = home(ctx)
			return s.home
		}
	}
	s.configuration = c
	return c, nil
}

// offer is who wants to log in: it is made when the providers are known.
type offer func(ctx context.Context, providers []pktoken.Provider, config *policy.Config, log *findings) (*offered, error)

// offered is a key as a client offers it, with what vouches for it.
type offered struct {
	key      ssh.PublicKey
	keys     pktoken.KeySet
	userinfo sshauth.Userinfo

	hypothetical bool
	// fingerprints of the key and certificate that are meant, where key is not the real one.
	keyFingerprint, certificateFingerprint string
}

// explain follows one login. The error is about the offer alone.
func (e *explainer) explain(ctx context.Context, user string, make offer) (*explanation, error) {
	x := &explanation{User: user, Files: []explainFile{}, Findings: []finding{}, Rules: []explainRule{}, HomeRules: "not-needed"}
	files := e.files
	files.seen = func(path string, err error) {
		file := explainFile{Path: path, State: "read"}
		switch {
		case errors.Is(err, fs.ErrNotExist):
			file.State = "absent"
		case err != nil:
			return
		}
		if !slices.Contains(x.Files, file) {
			x.Files = append(x.Files, file)
		}
	}
	config, err := files.config(e.configDir)
	if err != nil {
		x.refused(&sshauth.Refusal{Err: err})
		return x, nil
	}
	log := &findings{}
	source := &watchedSource{hostSource: hostSource{folder: e.configDir, files: files, config: config, log: log.logger()}}
	configuration, err := source.Configuration(ctx, user)
	if err != nil {
		return nil, err
	}
	offered, err := make(ctx, configuration.Providers, config, log)
	if err != nil {
		return nil, err
	}
	x.Hypothetical = offered.hypothetical
	authenticator := &sshauth.Authenticator{
		Source: source, Keys: offered.keys, Userinfo: offered.userinfo, Judge: e.judge(files, config, log, offered.key),
		Now: func() time.Time { return e.now },
	}
	grant, err := authenticator.Authorize(ctx, user, offered.key)
	var line string
	if err == nil {
		line, err = grant.AuthorizedKeysLine()
	}
	var refusal *sshauth.Refusal
	switch {
	case err == nil:
		x.granted(grant, line)
	case errors.As(err, &refusal):
		x.refused(refusal)
	default:
		return nil, err
	}
	if x.verified != nil {
		p := *configuration.Policy
		p.Home = append(slices.Clip(p.Home), source.home...)
		request := policy.Request{
			User: user, KeyFingerprint: offered.keyFingerprint, CertificateFingerprint: offered.certificateFingerprint, Now: e.now,
		}
		x.denyKey(&p, request)
		x.rules(&p, request)
	}
	x.HomeRules = homeState(config, source, files)
	x.Findings = append(x.Findings, log.all...)
	slices.SortFunc(x.Files, func(a, b explainFile) int { return strings.Compare(a.Path, b.Path) })
	return x, nil
}

func (e *explainer) judge(files reader, config *policy.Config, log *findings, key ssh.PublicKey) sshauth.Judge {
	plugins := plugin.Plugins{
		Folder: pluginsFolder(e.configDir), Config: config, Log: log.logger(),
		SSHD: plugin.SSHD{Key: base64.StdEncoding.EncodeToString(key.Marshal()), KeyType: key.Type()},
	}
	switch {
	case e.plugins.ignore:
		return nil
	case e.plugins.ask:
		return &plugins
	}
	return &unaskedPlugins{plugins: plugins, files: files}
}

func homeState(config *policy.Config, source *watchedSource, files reader) string {
	switch {
	case !config.HomePolicy:
		return "off"
	case files.untrusted:
		return "not-read"
	case !source.homeAsked:
		return "not-needed"
	case len(source.home) == 0:
		return "none"
	}
	return "read"
}

func (x *explanation) granted(grant *sshauth.Grant, line string) {
	x.Decision, x.Line = decisionAllow, line
	x.RuleFile, x.RuleLine, x.Plugin = grant.Decision.Rule.File, grant.Decision.Rule.Line, grant.Decision.Plugin
	x.Options = policy.FormatOptions(grant.Decision.Rule.Options)
	x.Warnings = grant.Warnings
	if x.Hypothetical {
		// The key is nobody's.
		words := strings.Fields(line)
		x.Line = strings.TrimSuffix(line, strings.Join(words[len(words)-2:], " ")) + "<key type> <key>"
	}
	x.identify(grant.Verified)
}

func (x *explanation) refused(refusal *sshauth.Refusal) {
	x.Decision, x.Reason, x.Detail = decisionDeny, refusal.Reason(), refusal.Error()
	x.Warnings = refusal.Warnings
	var reject *pktoken.RejectError
	var denied *policy.Denied
	var open *undecided
	switch {
	case errors.As(refusal, &open):
		x.Decision, x.Reason = decisionUndecided, ""
	case errors.As(refusal, &denied):
		x.Expected, x.Got, x.RuleFile, x.RuleLine, x.Plugin = denied.Expected, denied.Got, denied.File, denied.Line, denied.Plugin
	case errors.As(refusal, &reject):
		x.Expected, x.Got = reject.Expected, reject.Got
	}
	switch {
	case refusal.Verified != nil:
		x.identify(refusal.Verified)
	case refusal.Token != nil:
		x.Unverified = refusal.Token.UnverifiedIssuer()
	}
}

func (x *explanation) identify(v *pktoken.Verified) {
	x.verified = v
	x.Issuer, x.Subject, x.Email, x.ProviderRow = v.Issuer(), v.Subject(), v.Email(), v.Provider().Origin
	x.Claims = map[string]any{}
	for name, value := range v.Claims() {
		// What only this one token has says nothing about the person.
		if !slices.Contains([]string{"nonce", "at_hash", "c_hash", "cnf"}, name) {
			x.Claims[name] = value
		}
	}
	if until, ends := v.ValidUntil(); ends {
		x.ValidUntil = until.UTC().Format(time.RFC3339)
	}
}

// denyKey asks once more with the fingerprints of a key that is not at hand: only an entry of a deny list can answer otherwise then.
func (x *explanation) denyKey(p *policy.Policy, r policy.Request) {
	if r.KeyFingerprint == "" {
		return
	}
	_, err := p.Decide(x.verified, r)
	var denied *policy.Denied
	if errors.As(err, &denied) && denied.Reason == policy.ReasonDeniedKey {
		x.Line, x.Options = "", ""
		x.refused(&sshauth.Refusal{Err: denied, Verified: x.verified, Warnings: x.Warnings})
	}
}

func (x *explanation) rules(p *policy.Policy, r policy.Request) {
	for _, step := range p.Explain(x.verified, r) {
		text := ""
		if step.Rule.Principal != "" {
			text = step.Rule.String()
		}
		x.Rules = append(x.Rules, explainRule{
			File: step.Rule.File, Line: step.Rule.Line, Rule: text, Outcome: step.Outcome.String(),
			Detail: whyNot(step, x.verified), Decides: x.Decision == decisionAllow && step.Rule.File == x.RuleFile && step.Rule.Line == x.RuleLine,
		})
	}
}
