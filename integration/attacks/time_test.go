package attacks_test

import (
	"fmt"
	"testing"
	"time"

	"opkssh/integration/issuer"
	"opkssh/pkg/pktoken/pktokentest"
)

// TestTime.
//
// Power: has an old token, or a provider that writes odd times.
// Move: times that overflow, that compare wrongly, or that are left out.
// Expected: time-claim for what is no time, not-yet-valid for the future, expired for the past.
func TestTime(t *testing.T) {
	t.Parallel()
	op := issuer.Start(t)
	h := newHost(t, op.URL+" "+pktokentest.ClientID+" 24h\n"+op.URL+" short oidc\n"+op.URL+" endless never\n",
		"alice alice@example.com "+op.URL+"\n")
	now := time.Now().Unix()
	const day = 24 * 60 * 60
	iat := func(v any) func(*forgery) { return claim("iat", v) }
	endless := func(iat any) func(*forgery) { return all(claim("aud", "endless"), claim("iat", iat)) }
	// 2016-12-31T23:59:60Z, the last leap second until now. Seconds since 1970 do not count it (RFC 7519 §2): it has the number of the
	// second that comes next. A clock that counts leap seconds is this far ahead.
	const (
		leap    = 1483228800
		counted = 27
	)
	short := func(exp any) func(*forgery) { return all(claim("aud", "short"), claim("exp", exp)) }
	h.attacks(t, op.Issuer, []row{
		{"as made", asMade, allowed},
		{"a float with an integral value", iat(raw(fmt.Sprintf("%d.0", now))), allowed},
		{"older than the row allows", iat(now - day - 60), "expired"},
		{"1970", iat(0), "expired"},
		{"ten minutes ahead", iat(now + 600), "not-yet-valid"},
		{"milliseconds", iat(now * 1000), "not-yet-valid"},
		{"the last second of a float's integers", iat(raw("9007199254740991")), "not-yet-valid"},
		{"past a float's integers", iat(raw("9007199254740993")), "time-claim"},
		{"overflow of 63 bits", iat(raw("9223372036854775808")), "time-claim"},
		{"overflow to now", iat(raw(fmt.Sprintf("1844674407%010d", 3709551616+now))), "time-claim"},
		{"10^30", iat(raw("1e30")), "time-claim"},
		{"10^999999999", iat(raw("1e999999999")), "time-claim"},
		{"10^-999999999", iat(raw("1e-999999999")), "time-claim"},
		{"negative", iat(-1), "time-claim"},
		{"negative zero", iat(raw("-0")), "expired"},
		{"half a second", iat(raw(fmt.Sprintf("%d.5", now))), "time-claim"},
		{"string", iat(fmt.Sprint(now)), "time-claim"},
		{"array", iat([]int64{now}), "time-claim"},
		{"true", iat(true), "time-claim"},
		{"null", iat(raw("null")), "time-claim"},
		{"missing", iat(nil), "time-claim"},
		{"in capitals alone", all(iat(nil), claim("IAT", now)), "time-claim"},
		{"nbf ahead", claim("nbf", now+600), "not-yet-valid"},
		{"nbf a string", claim("nbf", "0"), "time-claim"},
		{"nbf negative", claim("nbf", -1), "time-claim"},
		{"nbf null", claim("nbf", raw("null")), "time-claim"},
		{"exp missing, though it does not count", claim("exp", nil), "time-claim"},
		{"until exp", short(now + 600), allowed},
		{"past exp", short(now - 1), "expired"},
		{"exp 0", short(0), "expired"},
		{"exp negative", short(-1), "time-claim"},
		{"exp overflow", short(raw("1e30")), "time-claim"},
		{"exp a string", short("9999999999"), "time-claim"},
		{"exp before iat", all(short(now-600), iat(now-60)), "expired"},
		{"never, from the future", endless(now + 600), "not-yet-valid"},
		{"never, without iat", endless(nil), "time-claim"},
		{"the second before a leap second", endless(leap - 1), allowed},
		{"a leap second", endless(leap), allowed},
		{"a leap second, as a float", endless(raw(fmt.Sprintf("%d.0", leap))), allowed},
		{"a leap second, as a fraction of the one before", endless(raw(fmt.Sprintf("%d.9", leap-1))), "time-claim"},
		{"a leap second, as a text", endless("2016-12-31T23:59:60Z"), "time-claim"},
		{"a clock that counts leap seconds", iat(now + counted), allowed},
	})
}
