package hostcli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"opkssh/pkg/pktoken"
	"opkssh/pkg/policy"
	"opkssh/pkg/sshauth"
	"opkssh/pkg/sshcert"
)

// recordFields are the fields of a decision in the order in which they are written, after those that every line has.
// docs/audit-log.md says what each means. A name, once released, keeps its meaning.
var recordFields = []string{
	"version", "sshd_pid", "decision", "repeated", "reason", "user",
	"source_address", "source_port", "server_address", "server_port", "sshd_tokens",
	"issuer", "sub", "email", "unverified_issuer",
	"rule_file", "rule_line", "plugin", "options", "provider_row",
	"key_fingerprint", "certificate_fingerprint", "key_id", "jti", "iat", "exp",
	"warnings", "detail", "expected", "got", "cut", "duration_ms",
}

// Lengths of values in bytes, as they stand in the log: rsyslog takes messages of 8 KiB, and a line that it cuts is no JSON.
const (
	maxValue = 512
	maxText  = 1024 // of detail, expected and got
	maxList  = 2048
)

// reasonTimeout is the one reason that is the command line's own.
const reasonTimeout policy.Reason = "timeout"

// errTimeout is logged where [verifyTimeout] has passed.
var errTimeout = &policy.Denied{Reason: reasonTimeout, Detail: "the verification took too long"}

// record is what a decision leaves in the log: one JSON object. It holds no token and no signature, and [recordHandler] escapes
// what an attacker wrote.
type record struct {
	started    time.Time
	session    *sshdSession // nil if sshd did not start us
	attributes []slog.Attr
	shortened  []string // names of attributes
}

func newRecord(started time.Time, arguments *verifyArguments, cert *sshcert.Certificate) *record {
	r := &record{started: started}
	r.add("version", version())
	if session, ok := findSSHDSession(); ok {
		r.session = &session
		r.addInt("sshd_pid", session.pid)
	}
	r.attributes = append(r.attributes, slog.String("user", r.cut(maxValue, "user", arguments.user)))
	r.addSSHDTokens(arguments.furtherTokens)
	r.add("key_fingerprint", ssh.FingerprintSHA256(cert.SSH().Key))
	r.add("certificate_fingerprint", ssh.FingerprintSHA256(cert.SSH()))
	r.add("key_id", cert.SSH().KeyId)
	return r
}

// add leaves empty values out.
func (r *record) add(name, value string) { r.addUpTo(maxValue, name, value) }

func (r *record) addUpTo(most int, name, value string) {
	if value = r.cut(most, name, value); value != "" {
		r.attributes = append(r.attributes, slog.String(name, value))
	}
}

func (r *record) cut(most int, name, value string) string {
	short, _ := cut(value, most)
	if len(short) < len(value) {
		r.shortened = append(r.shortened, name)
	}
	return short
}

func (r *record) addInt(name string, value int) {
	r.attributes = append(r.attributes, slog.Int(name, value))
}

func (r *record) addTime(name string, at time.Time) {
	if !at.IsZero() {
		r.add(name, at.UTC().Format(time.RFC3339))
	}
}

func (r *record) addList(name string, values []string) {
	room := maxList
	var list []string
	for _, value := range values {
		short, size := cut(value, maxValue)
		const around = len(`"",`)
		if room -= size + around; room < 0 {
			break
		}
		list = append(list, short)
	}
	if strings.Join(list, "") != strings.Join(values, "") {
		r.shortened = append(r.shortened, name)
	}
	if len(list) > 0 {
		r.attributes = append(r.attributes, slog.Any(name, list))
	}
}

// addSSHDTokens knows %C; the others stay as they are, but for keys, which hold PK tokens.
func (r *record) addSSHDTokens(tokens []string) {
	var others []string
	known := false
	for _, token := range tokens {
		ends, ok := parseEndpoints(token)
		switch {
		case ok && !known:
			known = true
			r.add("source_address", ends.source.Addr().String())
			r.addInt("source_port", int(ends.source.Port()))
			r.add("server_address", ends.server.Addr().String())
			r.addInt("server_port", int(ends.server.Port()))
		case !strings.HasPrefix(token, "AAAA"):
			others = append(others, token)
		}
	}
	r.addList("sshd_tokens", others)
}

// granted logs a login that may go on. sshd asks for the certificate's probe and again for its use: the second time the same
// is logged at level debug. What cannot be told apart for sure is logged twice.
func (r *record) granted(log *slog.Logger, grant *sshauth.Grant, cacheDir string) {
	r.add("decision", "allow")
	r.addIdentity(grant.Verified)
	r.addRule(grant.Decision.Rule.File, grant.Decision.Rule.Line)
	r.add("plugin", grant.Decision.Plugin)
	options := make([]string, len(grant.Decision.Options))
	for i, o := range grant.Decision.Options {
		if options[i] = o.Name; o.HasValue {
			options[i] += "=" + o.Value
		}
	}
	r.addList("options", options)
	r.addList("warnings", grant.Warnings)
	if r.session == nil {
		r.write(log, slog.LevelInfo)
		return
	}
	mark := openLoginMark(cacheDir, r.content())
	defer mark.close()
	if mark.isThere() {
		r.attributes = append(r.attributes, slog.Bool("repeated", true))
		r.write(log, slog.LevelDebug)
		return
	}
	if r.write(log, slog.LevelInfo) {
		mark.leave()
	}
}

// content is all that the record says but when it was written, and which sshd process asked.
func (r *record) content() string {
	var b strings.Builder
	_, _ = fmt.Fprintf(&b, "%s\n", r.session)
	for _, a := range r.attributes {
		_, _ = fmt.Fprintf(&b, "%s=%q\n", a.Key, a.Value)
	}
	return b.String()
}

func (r *record) refused(log *slog.Logger, refusal *sshauth.Refusal) {
	r.add("decision", "deny")
	r.add("reason", refusal.Reason())
	r.addUpTo(maxText, "detail", refusal.Error())
	var reject *pktoken.RejectError
	if errors.As(refusal, &reject) {
		r.addUpTo(maxText, "expected", reject.Expected)
		r.addUpTo(maxText, "got", reject.Got)
	}
	var denied *policy.Denied
	if errors.As(refusal, &denied) {
		r.addUpTo(maxText, "expected", denied.Expected)
		r.addUpTo(maxText, "got", denied.Got)
		r.addRule(denied.File, denied.Line)
		r.add("plugin", denied.Plugin)
	}
	switch {
	case refusal.Verified != nil:
		r.addIdentity(refusal.Verified)
	case refusal.Token != nil:
		// Nothing vouches for it, but it is what an administrator needs to find the person who asks for help.
		r.add("unverified_issuer", refusal.Token.UnverifiedIssuer())
	}
	r.addList("warnings", refusal.Warnings)
	r.write(log, slog.LevelWarn)
}

// write is false where the record is not in the log: for its level, or because the log's destination did not take it.
func (r *record) write(log *slog.Logger, level slog.Level) bool {
	ctx := context.Background()
	if !log.Enabled(ctx, level) {
		return false
	}
	r.addList("cut", r.shortened)
	took := time.Since(r.started)
	r.attributes = append(r.attributes, slog.Float64("duration_ms", float64(took.Microseconds())/1000))
	slices.SortStableFunc(r.attributes, func(a, b slog.Attr) int {
		return slices.Index(recordFields, a.Key) - slices.Index(recordFields, b.Key)
	})
	line := slog.NewRecord(time.Now(), level, "login", 0)
	line.AddAttrs(r.attributes...)
	return log.Handler().Handle(ctx, line) == nil
}

// addRule leaves out a line that is not known.
func (r *record) addRule(file string, line int) {
	r.add("rule_file", file)
	if line > 0 {
		r.addInt("rule_line", line)
	}
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
