package policy

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"opkssh/pkg/pktoken"
)

// checkIssuer: an https URL without query and fragment (OpenID Connect Discovery §2); http for a loopback host alone.
func checkIssuer(issuer string) error {
	u, err := url.Parse(issuer)
	switch {
	case issuer == "":
		return errors.New("the issuer is empty")
	case err != nil:
		return fmt.Errorf("issuer: expected an https URL, got %s", quoteShort(issuer))
	case u.User != nil || strings.ContainsAny(issuer, "?# "):
		return fmt.Errorf("issuer: expected a URL without user, query, fragment and blank, got %s", quoteShort(issuer))
	case u.Hostname() == "" || u.Opaque != "":
		return fmt.Errorf("issuer: expected an https URL, got %s", quoteShort(issuer))
	case strings.HasPrefix(issuer, "https://"):
		return nil
	case strings.HasPrefix(issuer, "http://") && isLoopback(u.Hostname()):
		return nil
	}
	return fmt.Errorf("issuer: expected https, or http on a loopback host, got %s", quoteShort(issuer))
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// defaultCommitment is the kind of commitment of an issuer's tokens where no option says it.
func defaultCommitment(issuer string) pktoken.Commitment {
	if issuer == "https://token.actions.githubusercontent.com" || strings.HasSuffix(issuer, "/api/actions") {
		return pktoken.CommitmentAudience
	}
	return pktoken.CommitmentNonce
}
