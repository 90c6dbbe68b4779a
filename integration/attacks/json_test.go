package attacks_test

import (
	"strconv"
	"strings"
	"testing"
)

// TestJSON.
//
// Power: gets the provider to sign text that parsers read differently, or signs such text as the client.
// Move: says two things at once, hopes for a parser that folds, repairs or goes on, or is expensive to read.
// Expected: token-malformed; no-rule where the text is good and its claim is not the one that counts.
func TestJSON(t *testing.T) {
	t.Parallel()
	h, op := newIssuerHost(t)
	payload := func(change edit) func(*forgery) { return func(f *forgery) { f.claimsJSON = change } }
	member := func(text string) edit { return replace("{", "{"+text+",") }
	mallory := claim("email", "mallory@example.com")
	deep := func(levels int) string { return strings.Repeat("[", levels) + strings.Repeat("]", levels) }
	h.attacks(t, op.Issuer, []row{
		{"as made", asMade, allowed},
		{"as made for somebody else", mallory, "no-rule"},
		{"email twice, ours first", all(mallory, payload(member(`"email":"alice@example.com"`))), "token-malformed"},
		{"email twice, ours last", payload(replace(`"email":`, `"email":"mallory@example.com","email":`)), "token-malformed"},
		{"email twice, one escaped", all(mallory, payload(member(`"\u0065mail":"alice@example.com"`))), "token-malformed"},
		{"nonce twice", payload(member(`"nonce":"x"`)), "token-malformed"},
		{"twice in a nested object", payload(member(`"x":{"a":1,"a":1}`)), "token-malformed"},
		{"Email", all(mallory, claim("Email", "alice@example.com")), "no-rule"},
		{"EMAIL alone", all(claim("email", nil), claim("EMAIL", "alice@example.com")), "no-rule"},
		{"ISS beside iss", claim("ISS", "https://op.example.com"), allowed},
		{"ISS instead of iss", payload(replace(`"iss"`, `"ISS"`)), "unknown-issuer"},
		{"i\u017fs instead of iss", payload(replace(`"iss"`, "\"i\u017fs\"")), "unknown-issuer"},
		{"email in an array", claim("email", []string{"alice@example.com"}), "no-rule"},
		{"email in an object", claim("email", object{"email": "alice@example.com"}), "no-rule"},
		{"63 levels", payload(member(`"x":` + deep(63))), allowed},
		{"64 levels", payload(member(`"x":` + deep(64))), "token-malformed"},
		{"30 000 levels", payload(member(`"x":` + deep(15_000))), "token-malformed"},
		{"30 000 levels, not closed", payload(member(`"x":` + strings.Repeat("[", 30_000))), "token-malformed"},
		{"30 000 objects, not closed", payload(member(`"x":` + strings.Repeat(`{"a":`, 6_000))), "token-malformed"},
		{"a huge number", payload(member(`"x":1e999999999`)), allowed},
		{"a long number", payload(member(`"x":` + strings.Repeat("9", 30_000))), allowed},
		{"a number with a leading zero", payload(member(`"x":01`)), "token-malformed"},
		{"hexadecimal", payload(member(`"x":0x1`)), "token-malformed"},
		{"NaN", payload(member(`"x":NaN`)), "token-malformed"},
		{"many members", payload(member(strings.TrimSuffix(numbered(4_000), ","))), allowed},
		{"invalid UTF-8", payload(replace("alice", "alice\xff")), "token-malformed"},
		{"overlong slash", payload(replace("alice", "\xc0\xafalice")), "token-malformed"},
		{"surrogate as UTF-8", payload(replace("alice", "\xed\xa0\x80alice")), "token-malformed"},
		{"half a surrogate pair, escaped", payload(replace("alice", `alice\ud800`)), "token-malformed"},
		{"NUL in a string", payload(replace("alice", "alice\x00")), "token-malformed"},
		{"line end in a string", payload(replace("alice", "alice\n")), "token-malformed"},
		{"byte order mark", payload(func(b []byte) []byte { return append([]byte("\ufeff"), b...) }), "token-malformed"},
		{"UTF-16", payload(func(b []byte) []byte { return []byte("\xff\xfe" + strings.Join(strings.Split(string(b), ""), "\x00")) }), "token-malformed"},
		{"two objects", payload(func(b []byte) []byte { return append(b, b...) }), "token-malformed"},
		{"brace after", payload(func(b []byte) []byte { return append(b, '}') }), "token-malformed"},
		{"NUL after", payload(func(b []byte) []byte { return append(b, 0) }), "token-malformed"},
		{"comma at the end", payload(func(b []byte) []byte { return append(b[:len(b)-1], ",}"...) }), "token-malformed"},
		{"comment", payload(func(b []byte) []byte { return append(b, "/**/"...) }), "token-malformed"},
		{"single quotes", payload(func(b []byte) []byte { return []byte(strings.ReplaceAll(string(b), `"`, `'`)) }), "token-malformed"},
		{"array", payload(func(b []byte) []byte { return []byte("[" + string(b) + "]") }), "token-malformed"},
		{"null", payload(func([]byte) []byte { return []byte("null") }), "token-malformed"},
		{"empty", payload(func([]byte) []byte { return nil }), "token-malformed"},
		{"alg twice in the OP header", func(f *forgery) { f.headerJSON = member(`"alg":"none"`) }, "token-malformed"},
		{"upk twice in the client's header", func(f *forgery) { f.clientJSON = member(`"upk":{}`) }, "token-malformed"},
		{"UPK beside upk", func(f *forgery) { f.client["UPK"] = object{} }, allowed},
		{"UPK instead of upk", func(f *forgery) { f.clientJSON = replace(`"upk"`, `"UPK"`) }, "client-header"},
		{"upk's KTY beside kty", func(f *forgery) { f.client["upk"].(object)["KTY"] = "oct" }, allowed},
		{"upk's x twice", func(f *forgery) { f.clientJSON = replace(`"x":`, `"x":"","x":`) }, "token-malformed"},
	})
}

// numbered are n members, each with a comma after it.
func numbered(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(`"claim-` + strconv.Itoa(i) + `":0,`)
	}
	return b.String()
}
