package hostcli

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"os"
	"time"

	"golang.org/x/crypto/ssh"

	"opkssh/pkg/pktoken"
	"opkssh/pkg/policy"
	"opkssh/pkg/sshauth"
	"opkssh/pkg/sshcert"
)

// record is what a decision leaves in the log: one JSON object. It holds no token and no key, and [slog.JSONHandler] escapes
// what an attacker wrote.
type record struct {
	started    time.Time
	attributes []slog.Attr
}

func newRecord(started time.Time, arguments *verifyArguments) *record {
	r := &record{started: started}
	id := make([]byte, 8)
	_, _ = rand.Read(id)
	r.add("id", hex.EncodeToString(id))
	if host, err := os.Hostname(); err == nil {
		r.add("host", host)
	}
	r.add("user", arguments.user)
	if len(arguments.furtherTokens) > 0 {
		r.attributes = append(r.attributes, slog.Any("sshd_tokens", arguments.furtherTokens))
	}
	return r
}

// add leaves empty values out.
func (r *record) add(name, value string) {
	const most = 1024
	if len(value) > most {
		value = value[:most]
	}
	if value != "" {
		r.attributes = append(r.attributes, slog.String(name, value))
	}
}

func (r *record) addTime(name string, at time.Time) {
	if !at.IsZero() {
		r.add(name, at.UTC().Format(time.RFC3339))
	}
}

func (r *record) write(log *slog.Logger, level slog.Level, decision string, warnings []string) {
	r.add("decision", decision)
	if len(warnings) > 0 {
		r.attributes = append(r.attributes, slog.Any("warnings", warnings))
	}
	r.attributes = append(r.attributes, slog.Float64("duration_ms", float64(time.Since(r.started).Microseconds())/1000))
	log.LogAttrs(context.Background(), level, "login", r.attributes...)
}

func (r *record) granted(log *slog.Logger, grant *sshauth.Grant) {
	r.addCertificate(grant.Certificate)
	r.addIdentity(grant.Verified)
	r.addRule(grant.Decision.Rule.File, grant.Decision.Rule.Line)
	if len(grant.Decision.Options) > 0 {
		names := make([]string, len(grant.Decision.Options))
		for i, o := range grant.Decision.Options {
			names[i] = o.Name
		}
		r.attributes = append(r.attributes, slog.Any("options", names))
	}
	r.write(log, slog.LevelInfo, "allow", grant.Warnings)
}

func (r *record) refused(log *slog.Logger, refusal *sshauth.Refusal) {
	r.add("reason", refusal.Reason())
	r.add("detail", refusal.Error())
	var reject *pktoken.RejectError
	if errors.As(refusal, &reject) {
		r.add("expected", reject.Expected)
		r.add("got", reject.Got)
	}
	var denied *policy.Denied
	if errors.As(refusal, &denied) {
		r.add("expected", denied.Expected)
		r.add("got", denied.Got)
		r.addRule(denied.File, denied.Line)
	}
	if refusal.Certificate != nil {
		r.addCertificate(refusal.Certificate)
	}
	switch {
	case refusal.Verified != nil:
		r.addIdentity(refusal.Verified)
	case refusal.Token != nil:
		// Nothing vouches for it, but it is what an administrator needs to find the person who asks for help.
		r.add("unverified_issuer", refusal.Token.UnverifiedIssuer())
	}
	r.write(log, slog.LevelWarn, "deny", refusal.Warnings)
}

func (r *record) addRule(file string, line int) {
	if file != "" {
		r.add("rule_file", file)
		r.attributes = append(r.attributes, slog.Int("rule_line", line))
	}
}

func (r *record) addCertificate(c *sshcert.Certificate) {
	r.add("key_fingerprint", ssh.FingerprintSHA256(c.SSH().Key))
	r.add("certificate_fingerprint", ssh.FingerprintSHA256(c.SSH()))
	r.add("key_id", c.SSH().KeyId)
}

func (r *record) addIdentity(v *pktoken.Verified) {
	r.add("issuer", v.Issuer())
	r.add("sub", v.Subject())
	r.add("email", v.Email())
	r.add("jti", v.TokenID())
	r.addTime("iat", v.IssuedAt())
	r.addTime("exp", v.ExpiresAt())
	r.add("provider_row", v.Provider().Origin)
}
