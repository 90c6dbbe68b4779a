package plugin

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"opkssh/pkg/pktoken"
	"opkssh/pkg/policy"
	"opkssh/pkg/sshcert"
)

const (
	variablePrefix = "OPKSSH_PLUGIN_"
	searchPath     = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
)

// variables are what all plugins get to know of one login, sorted. A value that no environment can hold is an error.
func (p *Plugins) variables(v *pktoken.Verified, r policy.Request) ([]string, error) {
	login, err := p.login(v, r)
	if err != nil {
		return nil, err
	}
	variables := make([]string, 0, len(login))
	for _, name := range slices.Sorted(maps.Keys(login)) {
		if strings.ContainsRune(login[name], 0) {
			return nil, fmt.Errorf("%s%s holds a NUL character", variablePrefix, name)
		}
		variables = append(variables, variablePrefix+name+"="+login[name])
	}
	return variables, nil
}

// environment is all that a plugin gets to know. Its own file stands last, so that nothing in login can be in its place.
func (p *Programs) environment(plugin *policy.Plugin, login []string) []string {
	own := variablePrefix + "CONFIG=" + base64.StdEncoding.EncodeToString(plugin.Data)
	return environment(p.Config, append(slices.Clip(login), own))
}

// environment is the host's own variables, and those of one login, sorted; of two with one name the last. Of the latter, what is not
// called like one of them is left out.
func environment(config *policy.Config, login []string) []string {
	variables := map[string]string{"PATH": searchPath}
	if config != nil {
		maps.Copy(variables, config.EnvVars)
	}
	for _, variable := range login {
		name, value, found := strings.Cut(variable, "=")
		if found && strings.HasPrefix(name, variablePrefix) {
			variables[name] = value
		}
	}
	environment := make([]string, 0, len(variables))
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		environment = append(environment, name+"="+variables[name])
	}
	return environment
}

// login is what the variables say of one login, by their names without the prefix. All are there but CONFIG; some may be empty.
func (p *Plugins) login(v *pktoken.Verified, r policy.Request) (map[string]string, error) {
	key, err := withoutAccessToken(p.SSHD.Key)
	if err != nil {
		return nil, err
	}
	idToken, _ := v.Token().IDToken() // none for a GQ256 proof
	audience, _ := v.Claim("aud")
	var userinfo, further any
	if v.Userinfo() != nil {
		userinfo = v.Userinfo()
	}
	if len(p.SSHD.Further) > 0 {
		further = p.SSHD.Further
	}
	notBefore, _ := v.NotBefore()
	login := map[string]string{
		"U": r.User, "K": key, "T": p.SSHD.KeyType,
		"ISS": v.Issuer(), "SUB": v.Subject(), "EMAIL": v.Email(), "EMAIL_VERIFIED": emailVerified(v),
		"EXP": seconds(v.ExpiresAt()), "NBF": seconds(notBefore), "IAT": seconds(v.IssuedAt()), "JTI": v.TokenID(),
		"PAYLOAD": base64.StdEncoding.EncodeToString(v.Token().UnverifiedPayload()),
		"PKT":     v.Token().Compact(), "IDT": idToken,
	}
	for name, value := range map[string]any{
		"AUD": audience, "GROUPS": groups(v), "USERINFO": userinfo, "UPK": v.UserJWK(), "EXTRA_ARGS": further,
	} {
		if login[name], err = encodeJSON(value); err != nil {
			return nil, fmt.Errorf("%s%s: %w", variablePrefix, name, err)
		}
	}
	if single, ok := audience.(string); ok {
		login["AUD"] = single
	}
	login["UPK"] = base64.StdEncoding.EncodeToString([]byte(login["UPK"]))
	return login, nil
}

// groups is the claim of that name as an array, or nil.
func groups(v *pktoken.Verified) any {
	switch claim, _ := v.Claim("groups"); claim := claim.(type) {
	case []any:
		return claim
	case string:
		return []any{claim}
	}
	return nil
}

// emailVerified is true or false, other text as the provider wrote it, or "" where the claim is missing.
func emailVerified(v *pktoken.Verified) string {
	if v.EmailVerified() {
		return "true"
	}
	switch claim, _ := v.Claim("email_verified"); claim := claim.(type) {
	case bool:
		return strconv.FormatBool(claim)
	case string:
		return claim
	}
	return ""
}

func seconds(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return strconv.FormatInt(t.Unix(), 10)
}

// encodeJSON gives "" for nothing. Shells compare text: <, > and & stay as they are.
func encodeJSON(value any) (string, error) {
	if value == nil {
		return "", nil
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return "", err
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// withoutAccessToken is sshd's %k as it is, but where the certificate holds an access token, the certificate without it: that
// one is for the userinfo endpoint alone. Its signature is false then.
func withoutAccessToken(key string) (string, error) {
	if key == "" {
		return "", nil
	}
	wire, err := base64.StdEncoding.DecodeString(key)
	if err != nil {
		return "", fmt.Errorf("the key: %w", err)
	}
	public, err := ssh.ParsePublicKey(wire)
	if err != nil {
		return "", fmt.Errorf("the key: %w", err)
	}
	certificate, ok := public.(*ssh.Certificate)
	if !ok {
		return key, nil
	}
	if _, ok := certificate.Extensions[sshcert.ExtensionAccessToken]; !ok {
		return key, nil
	}
	delete(certificate.Extensions, sshcert.ExtensionAccessToken)
	return base64.StdEncoding.EncodeToString(certificate.Marshal()), nil
}
