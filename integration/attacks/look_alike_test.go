package attacks_test

import (
	"strings"
	"testing"

	"opkssh/integration/issuer"
	"opkssh/pkg/pktoken/pktokentest"
)

// TestIssuerLookAlikes.
//
// Power: runs a provider of the attacker's own, and writes any `iss`.
// Move: spells an issuer that the host believes in so that careless comparison takes it for the same.
// Expected: unknown-issuer, and nobody is asked.
func TestIssuerLookAlikes(t *testing.T) {
	t.Parallel()
	h, op := newIssuerHost(t)
	const idn = "https://op.example.com"
	h.write(t, "providers.d/idn.conf", idn+" "+pktokentest.ClientID+" 24h\n")
	url, host := op.URL, strings.TrimPrefix(op.URL, "http://")
	h.attack(t, forge(t, op.Issuer).offer(), allowed)
	before := op.Requests()
	for name, iss := range map[string]any{
		"slash": url + "/", "two slashes": url + "//", "dot": url + "/.", "case of the scheme": "HTTP://" + host, "https": "https://" + host,
		"user": "http://alice@" + host, "user and secret": "http://a:b@" + host, "the issuer as user": url + "@evil.example.com",
		"query": url + "?", "fragment": url + "#", "path": url + "/x", "backslash": url + `\`, "blank after": url + " ", "blank before": " " + url,
		"line end": url + "\n", "NUL": url + "\x00", "other host of loopback": strings.Replace(url, "127.0.0.1", "localhost", 1),
		"address as a number": strings.Replace(url, "127.0.0.1", "2130706433", 1), "mapped address": strings.Replace(url, "127.0.0.1", "[::ffff:127.0.0.1]", 1),
		"percent": strings.Replace(url, "127", "%3127", 1), "prefix": url[:len(url)-1], "longer port": url + "0", "two, by comma": url + "," + url,
		"two, by blank": url + " " + url, "array": []string{url}, "array of two": []string{url, "x"}, "object": object{"iss": url}, "empty": "", "missing": nil,
		"null": raw("null"), "number": 1, "without a scheme": host,
		"capitals": "https://OP.example.com", "dot at the end of the host": "https://op.example.com.", "port": idn + ":443",
		"Cyrillic о": "https://\u043ep.example.com", "punycode of it": "https://xn--p-0tb.example.com", "fullwidth dot": "https://op\uff0eexample.com",
		"ideographic dot": "https://op\u3002example.com", "fraction slash": "https://op.example.com\u2044x", "soft hyphen": "https://op.exam\u00adple.com",
		"zero width": "https://op.example.com\u200b", "long s": "http\u017f://op.example.com", "Greek omicron": "https://\u03bfp.example.com",
		"right to left": "https://op.example.com\u202e", "composed": "https://\u00f3p.example.com",
	} {
		t.Run(name, func(t *testing.T) {
			f := forge(t, op.Issuer)
			f.claims["iss"] = iss
			h.attack(t, f.offer(), "unknown-issuer")
		})
	}
	if op.Requests() != before {
		t.Errorf("expected no request, got %d", op.Requests()-before)
	}
}

// TestAudienceLookAlikes.
//
// Power: has tokens that the same provider made for other clients, and may name a client of the attacker's own as the provider allows.
// Move: a client ID, or a list of them, that careless comparison takes for the host's.
// Expected: audience.
func TestAudienceLookAlikes(t *testing.T) {
	t.Parallel()
	h, op := newIssuerHost(t)
	const id = pktokentest.ClientID
	h.attacks(t, op.Issuer, []row{
		{"as made", asMade, allowed},
		{"array", audiences(nil, id), allowed},
		{"array of two", audiences(id, "other", id), allowed},
		{"other", claim("aud", "other"), "audience"},
		{"comma-joined", claim("aud", "other,"+id), "audience"},
		{"comma-joined, ours first", claim("aud", id+",other"), "audience"},
		{"blank-joined", claim("aud", id+" other"), "audience"},
		{"comma-joined in an array", audiences(nil, "other,"+id), "audience"},
		{"slash", claim("aud", id+"/"), "audience"},
		{"capitals", claim("aud", strings.ToUpper(id)), "audience"},
		{"prefix", claim("aud", id[:len(id)-1]), "audience"},
		{"longer", claim("aud", id+"2"), "audience"},
		{"line end", claim("aud", id+"\n"), "audience"},
		{"NUL", claim("aud", id+"\x00"), "audience"},
		{"Cyrillic е", claim("aud", strings.Replace(id, "e", "\u0435", 1)), "audience"},
		{"zero width", claim("aud", id+"\u200b"), "audience"},
		{"star", claim("aud", "*"), "audience"},
		{"empty", claim("aud", ""), "audience"},
		{"empty array", claim("aud", []string{}), "audience"},
		{"array in an array", claim("aud", []any{[]string{id}}), "token-malformed"},
		{"array with a number", claim("aud", []any{id, 1}), "token-malformed"},
		{"object", claim("aud", object{id: id}), "token-malformed"},
		{"null", claim("aud", raw("null")), "token-malformed"},
		{"missing", claim("aud", nil), "token-malformed"},
		{"the issuer", claim("aud", op.URL), "audience"},
	})
}

// TestNeighbours: a rule for one issuer is none for another.
//
// Power: is an honest person's namesake at another provider that the host believes in for other rules.
// Move: logs in with the same email and sub.
// Expected: no-rule.
func TestNeighbours(t *testing.T) {
	t.Parallel()
	h, op := newIssuerHost(t)
	other := issuer.Start(t)
	h.write(t, "providers.d/other.conf", other.URL+" "+pktokentest.ClientID+" 24h\n")
	h.attack(t, forge(t, op.Issuer).offer(), allowed)
	h.attack(t, forge(t, other.Issuer).offer(), "no-rule")
}
