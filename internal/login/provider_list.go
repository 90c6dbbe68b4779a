package login

import (
	"fmt"
	"strings"
)

const (
	providerForm     = "issuer,client_id[,client_secret[,scopes]]"
	providerListForm = "alias,issuer,client_id[,client_secret[,scopes]];..."
)

// ParseProvider reads issuer,client_id[,client_secret[,scopes]]. Scopes are separated by blanks; an empty secret is none,
// and empty scopes are the default ones, as is everything else. The error is an [*Error] with [CodeConfiguration].
func ParseProvider(s string) (Provider, error) {
	p, err := Provider{}, error(nil)
	if fields := strings.Split(s, ","); len(fields) < 2 || len(fields) > 4 {
		err = fmt.Errorf("expected %s, got %d fields", providerForm, len(fields))
	} else {
		p, err = parseProviderFields(fields)
	}
	if err != nil {
		return Provider{}, &Error{Code: CodeConfiguration, Detail: "provider", Err: err}
	}
	return p, nil
}

// ParseProviderList reads the form of OPKSSH_PROVIDERS: alias,issuer,client_id[,client_secret[,scopes]], several separated
// by semicolons. An alias may be several names separated by blanks. The error is an [*Error] with [CodeConfiguration].
func ParseProviderList(s string) ([]Provider, error) {
	var providers []Provider
	taken := map[string]bool{}
	entries := strings.Split(s, ";")
	if strings.TrimSpace(entries[len(entries)-1]) == "" {
		entries = entries[:len(entries)-1]
	}
	for i, entry := range entries {
		p, err := parseListEntry(entry, taken)
		if err != nil {
			return nil, &Error{Code: CodeConfiguration, Detail: fmt.Sprintf("provider %d of the list", i+1), Err: err}
		}
		providers = append(providers, p)
	}
	if len(providers) == 0 {
		return nil, &Error{Code: CodeConfiguration, Detail: "provider list: expected " + providerListForm + ", got nothing"}
	}
	return providers, nil
}

func parseListEntry(entry string, taken map[string]bool) (Provider, error) {
	fields := strings.Split(entry, ",")
	if len(fields) < 3 || len(fields) > 5 {
		return Provider{}, fmt.Errorf("expected %s, got %d fields", providerListForm, len(fields))
	}
	p, err := parseProviderFields(fields[1:])
	if err != nil {
		return Provider{}, err
	}
	p.Aliases, err = parseAliases(fields[0], taken)
	return p, err
}

// parseAliases splits names separated by blanks and enters them into taken.
func parseAliases(names string, taken map[string]bool) ([]string, error) {
	aliases := strings.Fields(names)
	if len(aliases) == 0 {
		return nil, fmt.Errorf("alias: expected at least one name, got %q", names)
	}
	for _, alias := range aliases {
		if err := checkAlias(alias); err != nil {
			return nil, err
		}
		if taken[alias] {
			return nil, fmt.Errorf("alias %q is there twice", alias)
		}
		taken[alias] = true
	}
	return aliases, nil
}

// parseProviderFields reads issuer, client ID, and perhaps secret and scopes. Its errors do not quote the secret.
func parseProviderFields(fields []string) (Provider, error) {
	p := defaultProvider()
	p.Issuer, p.ClientID = strings.TrimSpace(fields[0]), strings.TrimSpace(fields[1])
	if len(fields) > 2 {
		p.ClientSecret = strings.TrimSpace(fields[2])
	}
	if len(fields) > 3 && strings.TrimSpace(fields[3]) != "" {
		p.Scopes = strings.Fields(fields[3])
	}
	return p, p.check()
}
