package hostcli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/pflag"
	"golang.org/x/crypto/ssh"

	"opkssh/internal/printable"
	"opkssh/pkg/policy"
)

// lockArguments say whom to lock or unlock.
type lockArguments struct {
	subjects, claims, users, keys, keyFiles []string
	issuer                                  string
	untilNewLogin                           bool
	before                                  string
}

func (a *lockArguments) register(flags *pflag.FlagSet) {
	flags.StringArrayVar(&a.subjects, "sub", nil, "the person with this `SUBJECT` at --issuer")
	flags.StringArrayVar(&a.claims, "claim", nil, "all whose token has `CLAIM:VALUE`, at --issuer or anywhere")
	flags.StringVar(&a.issuer, "issuer", "", "the `URL` of the provider, for --sub and --claim")
	flags.StringArrayVar(&a.keys, "key", nil, "the user key with this `FINGERPRINT`, SHA256:…")
	flags.StringArrayVar(&a.keyFiles, "key-file", nil, "the user key in this `FILE`, NAME.pub or NAME-cert.pub")
	flags.StringArrayVar(&a.users, "user", nil, "this `USER` of the host, for everyone")
	flags.BoolVar(&a.untilNewLogin, "until-new-login", false, "until they have logged in anew: for emails and --sub")
}

var errNobody = &exitError{
	text: "expected whom: an email address, --sub, --claim, --key, --key-file or --user",
	hint: "add --help for examples", code: exitUsage,
}

// locks are the entries that are meant. now is for --until-new-login.
func (a *lockArguments) locks(identities []string, now time.Time) ([]policy.Lock, error) {
	if err := a.check(); err != nil {
		return nil, err
	}
	// A token is accepted from a clock that is so far ahead of ours: one from before the lock may say that it is from after it.
	before := now.Add(skewTolerance).UTC().Truncate(time.Second)
	if a.before != "" {
		at, err := time.Parse(time.RFC3339, a.before)
		if err != nil {
			return nil, fmt.Errorf("--before: expected a time such as 2026-11-20T09:00:00Z, got %q", a.before)
		}
		before = at.UTC().Truncate(time.Second)
	}
	var locks []policy.Lock
	for _, identity := range identities {
		identity = strings.TrimSpace(identity)
		switch {
		case !strings.Contains(identity, "@") || strings.Contains(identity, ":"):
			return nil, a.notAnEmail(identity)
		case a.untilNewLogin:
			locks = append(locks, policy.Lock{Kind: policy.LockUntilNewLogin, Name: identity, Before: before})
		default:
			locks = append(locks, policy.Lock{Kind: policy.LockEmail, Name: identity})
		}
	}
	for _, subject := range a.subjects {
		if a.untilNewLogin {
			locks = append(locks, policy.Lock{Kind: policy.LockUntilNewLogin, Name: subject, Before: before})
			continue
		}
		locks = append(locks, policy.Lock{Kind: policy.LockEntry, Entry: policy.DenyEntry{Subject: subject, Issuer: a.issuer}})
	}
	for _, text := range a.claims {
		lock, err := policy.ClaimLock(text, a.issuer)
		if err != nil {
			return nil, fmt.Errorf("--claim: %w", err)
		}
		locks = append(locks, lock)
	}
	for _, key := range a.keys {
		locks = append(locks, policy.Lock{Kind: policy.LockEntry, Entry: policy.DenyEntry{Key: key}})
	}
	for _, file := range a.keyFiles {
		fingerprint, err := fingerprintOf(file)
		if err != nil {
			return nil, err
		}
		locks = append(locks, policy.Lock{Kind: policy.LockEntry, Entry: policy.DenyEntry{Key: fingerprint}})
	}
	for _, user := range a.users {
		locks = append(locks, policy.Lock{Kind: policy.LockUser, Name: user})
	}
	if len(locks) == 0 {
		return nil, errNobody
	}
	for _, lock := range locks {
		if err := lock.Check(); err != nil {
			if lock.Kind == policy.LockEmail && policy.CheckEmailAddress(lock.Name) == nil {
				// deny_emails has room for no address that looks like a pattern.
				return nil, &exitError{text: err.Error(), hint: "--claim email:" + lock.Name + " locks it letter by letter", code: exitUsage}
			}
			return nil, err
		}
	}
	return locks, nil
}

// check looks at flags that make no sense together.
func (a *lockArguments) check() error {
	switch {
	case a.before != "" && !a.untilNewLogin:
		return errors.New("--before means something with --until-new-login alone")
	case a.untilNewLogin && len(a.claims)+len(a.keys)+len(a.keyFiles)+len(a.users) > 0:
		return errors.New("--until-new-login: expected email addresses or --sub alone")
	case a.untilNewLogin && a.issuer != "":
		return errors.New("--until-new-login: expected no --issuer: revoked_before counts for every provider")
	case !a.untilNewLogin && len(a.subjects) > 0 && a.issuer == "":
		return errors.New("--sub: expected --issuer beside it: a subject means nothing without its issuer")
	case a.issuer != "" && len(a.subjects)+len(a.claims) == 0:
		return errors.New("--issuer: expected --sub or --claim beside it")
	}
	return nil
}

// checkSpelling refuses names that are nobody's: to lock them would look like success.
func (a *lockArguments) checkSpelling(identities []string) error {
	for _, text := range identities {
		// What is no address at all is said with what to write instead.
		if text = strings.TrimSpace(text); strings.Contains(text, "@") && !strings.Contains(text, ":") {
			if err := checkEmail(text); err != nil {
				return err
			}
		}
	}
	for _, text := range a.subjects {
		if err := checkNoBlanks("--sub", text, text); err != nil {
			return err
		}
	}
	for _, text := range a.claims {
		lock, err := policy.ClaimLock(text, "")
		if err != nil {
			continue // said by locks
		}
		if err := checkNoBlanks("--claim", text, lock.Entry.Claim, lock.Entry.Value); err != nil {
			return err
		}
		if lock.Entry.Claim == "email" {
			if err := checkEmail(lock.Entry.Value); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkEmail says more of an address that was taken from the log with its escapes.
func checkEmail(text string) error {
	if !strings.Contains(text, `\`) {
		if err := policy.CheckEmailAddress(text); err != nil {
			return usageError(err)
		}
		return nil
	}
	e := &exitError{text: fmt.Sprintf("expected an email address without a backslash, got %s", quoted(text)), code: exitUsage}
	if policy.HasLogEscape(text) {
		e.hint = "jq -r .email prints it as it is"
		if meant, ok := unescaped(text); ok {
			e.hint = "write it as it is: " + meant
		}
	}
	return e
}

// checkNoBlanks looks for what no token has: blanks, or letters that nobody sees, around a value.
func checkNoBlanks(flag, text string, values ...string) error {
	for _, value := range values {
		if value != strings.TrimFunc(value, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsGraphic(r) }) {
			return usageError(fmt.Errorf("%s: expected no blanks around a value, got %+q", flag, text))
		}
	}
	return nil
}

// userRemarks are about users that the host does not have. deny_users does not tell letters' cases apart, and the host may.
func (a *lockArguments) userRemarks(ctx context.Context) (remarks []string) {
	for _, user := range a.users {
		if !hostHasUser(ctx, user) && !hostHasUser(ctx, strings.ToLower(user)) {
			remarks = append(remarks, fmt.Sprintf("warning: this host has no user %s: nobody logs in as it", user))
		}
	}
	return remarks
}

// escapeRemarks are about names that may be as they are, such as CORP\u123456, and may have been taken from the log.
func (a *lockArguments) escapeRemarks() (remarks []string) {
	for _, text := range slices.Concat(a.subjects, a.claims, a.users) {
		if meant, ok := unescaped(text); ok && meant != text {
			remarks = append(remarks, fmt.Sprintf("warning: %s is locked letter by letter; if it was copied from the log, lock %s", quoted(text), meant))
		}
	}
	return remarks
}

// unescaped undoes the escapes of the log. Half a character that is beyond 16 bits is none.
func unescaped(text string) (meant string, ok bool) {
	err := json.Unmarshal([]byte(`"`+text+`"`), &meant)
	return meant, err == nil && meant == printable.Text(meant) && !strings.ContainsRune(meant, utf8.RuneError)
}

func (a *lockArguments) notAnEmail(identity string) error {
	hint := "name a subject with --sub SUBJECT --issuer URL, all with a claim with --claim CLAIM:VALUE, a user of this host with --user USER"
	if a.untilNewLogin {
		hint = "name a subject with --sub SUBJECT"
	}
	return &exitError{text: fmt.Sprintf("expected an email address, got %q", identity), hint: hint, code: exitUsage}
}

// maxKeyFile is far longer than a certificate.
const maxKeyFile = 1 << 20

// fingerprintOf is that of a user's key, as ssh-keygen -l shows it, also for its certificate: all its certificates are meant.
func fingerprintOf(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, maxKeyFile))
	if err != nil {
		return "", err
	}
	key, _, _, rest, err := ssh.ParseAuthorizedKey(data)
	if err != nil || len(bytes.TrimSpace(rest)) > 0 {
		return "", &exitError{
			text: fmt.Sprintf("%s: expected one public key or certificate", file),
			hint: "it is in NAME.pub or NAME-cert.pub beside the private key", code: exitRefused,
		}
	}
	if certificate, ok := key.(*ssh.Certificate); ok {
		key = certificate.Key
	}
	return ssh.FingerprintSHA256(key), nil
}
