package pktoken_test

import (
	"strings"
	"testing"

	"opkssh/pkg/pktoken"
)

// setField puts s in the place of one field of the compact form: 0 payload, 1 and 2 OP, 3 and 4 CIC.
func setField(i int, s string) func(*parts) {
	return func(p *parts) { p.fields = func(f []string) { f[i] = s } }
}

func editField(i int, change func(string) string) func(*parts) {
	return func(p *parts) { p.fields = func(f []string) { f[i] = change(f[i]) } }
}

func text(change func(string) string) func(*parts) {
	return func(p *parts) { p.text = func(b []byte) []byte { return []byte(change(string(b))) } }
}

func withCOS(header string) func(*parts) {
	return text(func(s string) string { return s + ":" + b64([]byte(header)) + ":AA" })
}

func TestStructure(t *testing.T) {
	pad := func(total int) func(*parts) {
		return text(func(s string) string { return s + strings.Repeat("A", total-len(s)) })
	}
	runRows(t, pktoken.CommitmentNonce, []row{
		{"as made", func(*parts) {}, accepted},
		{"largest size is read", pad(pktoken.MaxSize), pktoken.ReasonClientSignature},
		{"one byte over", pad(pktoken.MaxSize + 1), pktoken.ReasonTooLarge},
		{"empty", text(func(string) string { return "" }), pktoken.ReasonMalformed},
		{"one part", text(func(s string) string { return strings.Split(s, ":")[0] }), pktoken.ReasonMalformed},
		{"no CIC token", text(func(s string) string { return strings.Join(strings.Split(s, ":")[:3], ":") }), pktoken.ReasonMalformed},
		{"four parts", text(func(s string) string { return s[:strings.LastIndex(s, ":")] }), pktoken.ReasonMalformed},
		{"six parts", text(func(s string) string { return s + ":AA" }), pktoken.ReasonMalformed},
		{"eight parts", text(func(s string) string { return s + ":AA:AA:AA" }), pktoken.ReasonMalformed},
		{"two cosigners", func(p *parts) {
			cos := ":" + b64([]byte(`{"typ":"COS"}`)) + ":AA"
			text(func(s string) string { return s + cos + cos })(p)
		}, pktoken.ReasonMalformed},
		{"empty payload", setField(0, ""), pktoken.ReasonMalformed},
		{"empty OP header", setField(1, ""), pktoken.ReasonMalformed},
		{"empty CIC header", setField(3, ""), pktoken.ReasonMalformed},
		{"colon first", text(func(s string) string { return ":" + s }), pktoken.ReasonMalformed},
		{"a JWT", func(p *parts) {
			text(func(string) string { return p.op.IDToken(p.t, nil) })(p)
		}, pktoken.ReasonMalformed},
	})
}

// TestBase64 makes the same changes to every field.
func TestBase64(t *testing.T) {
	changes := []struct {
		name   string
		change func(string) string
	}{
		{"padding", func(s string) string { return s + "=" }},
		{"full padding", func(s string) string { return s + strings.Repeat("=", 4-len(s)%4) }},
		{"space after", func(s string) string { return s + " " }},
		{"space inside", func(s string) string { return s[:4] + " " + s[4:] }},
		{"tab", func(s string) string { return s[:4] + "\t" + s[4:] }},
		{"LF after", func(s string) string { return s + "\n" }},
		{"LF inside", func(s string) string { return s[:4] + "\n" + s[4:] }},
		{"CR inside", func(s string) string { return s[:4] + "\r" + s[4:] }},
		{"CRLF before", func(s string) string { return "\r\n" + s }},
		{"plus", func(s string) string { return s + "+AAA" }},
		{"slash", func(s string) string { return s + "/AAA" }},
		{"NUL", func(s string) string { return s + "\x00" }},
		{"not ASCII", func(s string) string { return s + "é" }},
		{"one letter over", func(s string) string { return s + strings.Repeat("A", (5-len(s)%4)%4) }},
	}
	for i, field := range []string{"payload", "OP header", "OP signature", "CIC header", "CIC signature"} {
		t.Run(field, func(t *testing.T) {
			var rows []row
			for _, c := range changes {
				rows = append(rows, row{c.name, editField(i, c.change), pktoken.ReasonMalformed})
			}
			runRows(t, pktoken.CommitmentNonce, rows)
		})
	}
	t.Run("trailing bits", func(t *testing.T) {
		runRows(t, pktoken.CommitmentNonce, []row{
			{"signature", editField(4, func(s string) string { return s[:len(s)-1] + nextLetter(s[len(s)-1]) }), pktoken.ReasonMalformed},
			{"object", setField(1, "e31"), pktoken.ReasonMalformed},           // {} with a bit set in what is left of the last letter
			{"object, none set", setField(1, "e30"), pktoken.ReasonAlgorithm}, // {}
		})
	})
}

// nextLetter differs from c in the lowest bit, for the letters A, Q, g and w that end 64 bytes.
func nextLetter(c byte) string { return string(c + 1) }

func nested(levels int, open, end string) string {
	return strings.Repeat(open, levels) + strings.Repeat(end, levels)
}

// TestJSON makes the same changes, well signed, to each JSON text of a token.
func TestJSON(t *testing.T) {
	member := func(s string) edit { return replace("{", "{"+s+",") }
	rows := []struct {
		name   string
		change edit
		want   pktoken.Reason
	}{
		{"further member", member(`"x":1`), accepted},
		{"spaces", func(b []byte) []byte { return []byte(" \n" + string(b) + "\t ") }, accepted},
		{"huge number", member(`"x":1e400`), accepted},
		{"long number", member(`"x":` + strings.Repeat("9", 5000)), accepted},
		{"64 levels of arrays", member(`"x":` + nested(63, "[", "]")), accepted},
		{"65 levels of arrays", member(`"x":` + nested(64, "[", "]")), pktoken.ReasonMalformed},
		{"64 levels of objects", member(`"x":` + strings.Repeat(`{"x":`, 62) + "{}" + strings.Repeat("}", 62)), accepted},
		{"65 levels of objects", member(`"x":` + strings.Repeat(`{"x":`, 63) + "{}" + strings.Repeat("}", 63)), pktoken.ReasonMalformed},
		{"deep and never closed", member(`"x":` + strings.Repeat("[", 20000)), pktoken.ReasonMalformed},
		{"duplicate", member(`"x":1,"x":1`), pktoken.ReasonMalformed},
		{"duplicate behind an escape", member(`"x":1,"\u0078":1`), pktoken.ReasonMalformed},
		{"duplicate in an object", member(`"x":{"y":1,"y":2}`), pktoken.ReasonMalformed},
		{"duplicate in an array", member(`"x":[[{"y":1,"y":1}]]`), pktoken.ReasonMalformed},
		{"names that differ in case", member(`"x":1,"X":1`), accepted},
		{"invalid UTF-8", member("\"x\":\"\xff\""), pktoken.ReasonMalformed},
		{"overlong UTF-8", member("\"x\":\"\xc0\xaf\""), pktoken.ReasonMalformed},
		{"surrogate in UTF-8", member("\"x\":\"\xed\xa0\x80\""), pktoken.ReasonMalformed},
		{"lone high surrogate", member(`"x":"\ud800"`), pktoken.ReasonMalformed},
		{"lone low surrogate", member(`"x":"\udc00"`), pktoken.ReasonMalformed},
		{"surrogates the wrong way round", member(`"x":"\udc00\ud800"`), pktoken.ReasonMalformed},
		{"surrogate pair", member(`"x":"\ud83d\ude00"`), accepted},
		{"escaped NUL", member(`"x":"\u0000"`), accepted},
		{"raw control character", member("\"x\":\"\n\""), pktoken.ReasonMalformed},
		{"unknown escape", member(`"x":"\q"`), pktoken.ReasonMalformed},
		{"BOM", func(b []byte) []byte { return append([]byte("\xef\xbb\xbf"), b...) }, pktoken.ReasonMalformed},
		{"second object", func(b []byte) []byte { return append(b, "{}"...) }, pktoken.ReasonMalformed},
		{"NUL after", func(b []byte) []byte { return append(b, 0) }, pktoken.ReasonMalformed},
		{"comma after", func(b []byte) []byte { return append(b, ',') }, pktoken.ReasonMalformed},
		{"comma before the end", func(b []byte) []byte { return append(b[:len(b)-1], ",}"...) }, pktoken.ReasonMalformed},
		{"comma before the end of an array", member(`"x":[1,]`), pktoken.ReasonMalformed},
		{"comma first", replace("{", "{,"), pktoken.ReasonMalformed},
		{"no comma", replace("{", `{"x":1 `), pktoken.ReasonMalformed},
		{"no value", replace("{", `{"x":,`), pktoken.ReasonMalformed},
		{"no colon", member(`"x"`), pktoken.ReasonMalformed},
		{"name without quotes", member(`x:1`), pktoken.ReasonMalformed},
		{"name that is a number", member(`1:1`), pktoken.ReasonMalformed},
		{"brackets crossed", member(`"x":[}`), pktoken.ReasonMalformed},
		{"not closed", func(b []byte) []byte { return b[:len(b)-1] }, pktoken.ReasonMalformed},
		{"comment", member(`/**/"x":1`), pktoken.ReasonMalformed},
		{"leading zero", member(`"x":01`), pktoken.ReasonMalformed},
		{"plus sign", member(`"x":+1`), pktoken.ReasonMalformed},
		{"NaN", member(`"x":NaN`), pktoken.ReasonMalformed},
		{"in an array", func(b []byte) []byte { return []byte("[" + string(b) + "]") }, pktoken.ReasonMalformed},
		{"string", func([]byte) []byte { return []byte(`"x"`) }, pktoken.ReasonMalformed},
		{"null", func([]byte) []byte { return []byte(`null`) }, pktoken.ReasonMalformed},
		{"nothing", func([]byte) []byte { return nil }, pktoken.ReasonMalformed},
	}
	places := []struct {
		name string
		set  func(*parts, edit)
	}{
		{"payload", func(p *parts, e edit) { p.claimsJSON = e }},
		{"OP header", func(p *parts, e edit) { p.headerJSON = e }},
		{"CIC header", func(p *parts, e edit) { p.clientJSON = e }},
		{"refreshed payload", func(p *parts, e edit) { p.refreshed().json = e }},
	}
	for _, place := range places {
		t.Run(place.name, func(t *testing.T) {
			var all []row
			for _, r := range rows {
				all = append(all, row{r.name, func(p *parts) { place.set(p, r.change) }, r.want})
			}
			runRows(t, pktoken.CommitmentNonce, all)
		})
	}
}

// TestNamesKeepTheirCase: a member whose name differs in case is absent, and does no harm beside the right one.
func TestNamesKeepTheirCase(t *testing.T) {
	claim := func(from, to string) func(*parts) {
		return func(p *parts) { p.claimsJSON = replace(`"`+from+`":`, `"`+to+`":`) }
	}
	header := func(from, to string) func(*parts) {
		return func(p *parts) { p.headerJSON = replace(`"`+from+`":`, `"`+to+`":`) }
	}
	client := func(from, to string) func(*parts) {
		return func(p *parts) { p.clientJSON = replace(`"`+from+`":`, `"`+to+`":`) }
	}
	runRows(t, pktoken.CommitmentNonce, []row{
		{"Nonce", claim("nonce", "Nonce"), pktoken.ReasonCommitment},
		{"NONCE", claim("nonce", "NONCE"), pktoken.ReasonCommitment},
		{"ISS", claim("iss", "ISS"), pktoken.ReasonUnknownIssuer},
		{"iſs", claim("iss", "iſs"), pktoken.ReasonUnknownIssuer},
		{"Aud", claim("aud", "Aud"), pktoken.ReasonMalformed},
		{"Iat", claim("iat", "Iat"), pktoken.ReasonTime},
		{"EXP", claim("exp", "EXP"), pktoken.ReasonTime},
		{"Alg", header("alg", "Alg"), pktoken.ReasonAlgorithm},
		{"Typ", header("typ", "Typ"), accepted},
		{"client's Alg", client("alg", "Alg"), pktoken.ReasonClientHeader},
		{"client's TYP", client("typ", "TYP"), pktoken.ReasonTokenType},
		{"client's Rz", client("rz", "Rz"), pktoken.ReasonClientHeader},
		{"client's UPK", client("upk", "UPK"), pktoken.ReasonClientHeader},
		{"client's uPK (Kelvin sign)", client("upk", "up\u212a"), pktoken.ReasonClientHeader},
		{"kty of upk", client("kty", "KTY"), pktoken.ReasonClientHeader},
		{"x of upk", client("x", "X"), pktoken.ReasonClientHeader},
		{"ISS beside iss", func(p *parts) { p.claims["ISS"] = "https://other.example.com" }, accepted},
		{"Nonce beside nonce", func(p *parts) { p.claims["Nonce"] = "x" }, accepted},
		{"EXP beside exp", func(p *parts) { p.claims["EXP"] = 1 }, accepted},
		{"ALG beside alg", func(p *parts) { p.header["ALG"] = "none" }, accepted},
		{"KTY beside kty of upk", func(p *parts) { p.client["upk"].(object)["KTY"] = "RSA" }, accepted},
		{"X beside x of upk", func(p *parts) { p.client["upk"].(object)["X"] = "AAAA" }, accepted},
		{"D beside upk", func(p *parts) { p.client["upk"].(object)["D"] = "AAAA" }, accepted},
		{"KTY beside kty of the provider's key", func(p *parts) { p.keys[0]["KTY"] = "RSA" }, accepted},
	})
}

func TestCosignerAndRefreshedStructure(t *testing.T) {
	freshText := func(change func(string) string) func(*parts) {
		return func(p *parts) { p.refreshed().text = func(b []byte) []byte { return []byte(change(string(b))) } }
	}
	runRows(t, pktoken.CommitmentNonce, []row{
		{"cosigner", withCOS(`{"alg":"ES256","typ":"COS"}`), accepted},
		{"cosigner and refreshed token", func(p *parts) {
			p.refreshed()
			text(func(s string) string { return strings.Replace(s, ".", ":"+b64([]byte(`{"typ":"COS"}`))+":AA.", 1) })(p)
		}, accepted},
		{"cosigner with an extension", withCOS(`{"typ":"COS","crit":["x"]}`), pktoken.ReasonCritical},
		{"cosigner without typ", withCOS(`{"alg":"ES256"}`), pktoken.ReasonTokenType},
		{"cosigner's typ in other case", withCOS(`{"typ":"cos"}`), pktoken.ReasonTokenType},
		{"cosigner's typ a number", withCOS(`{"typ":1}`), pktoken.ReasonTokenType},
		{"cosigner says CIC", withCOS(`{"typ":"CIC"}`), pktoken.ReasonTokenType},
		{"cosigner says JWT", withCOS(`{"typ":"JWT"}`), pktoken.ReasonTokenType},
		{"cosigner's header with a duplicate", withCOS(`{"typ":"COS","typ":"COS"}`), pktoken.ReasonMalformed},
		{"cosigner's header no object", withCOS(`[]`), pktoken.ReasonMalformed},
		{"cosigner's signature not base64url", text(func(s string) string {
			return s + ":" + b64([]byte(`{"typ":"COS"}`)) + ":A="
		}), pktoken.ReasonMalformed},

		{"refreshed", func(p *parts) { p.refreshed() }, accepted},
		{"dot at the end", text(func(s string) string { return s + "." }), pktoken.ReasonMalformed},
		{"refreshed with one part", freshText(func(s string) string { return strings.Split(s, ".")[0] }), pktoken.ReasonMalformed},
		{"refreshed with two parts", freshText(func(s string) string { return s[:strings.LastIndex(s, ".")] }), pktoken.ReasonMalformed},
		{"refreshed with four parts", freshText(func(s string) string { return s + ".AA" }), pktoken.ReasonMalformed},
		{"two refreshed tokens", freshText(func(s string) string { return s + "." + s }), pktoken.ReasonMalformed},
		{"refreshed with padding", freshText(func(s string) string { return s + "=" }), pktoken.ReasonMalformed},
		{"refreshed with a line break", freshText(func(s string) string { return s + "\n" }), pktoken.ReasonMalformed},
		{"refreshed joined by colons", freshText(func(s string) string { return strings.ReplaceAll(s, ".", ":") }), pktoken.ReasonMalformed},
		{"refreshed encrypted", freshText(func(s string) string { return s + ".AA.AA" }), pktoken.ReasonMalformed},
		{"refreshed header no object", freshText(func(s string) string { return "W10" + s[strings.Index(s, "."):] }), pktoken.ReasonMalformed},
	})
}
