package idp_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"opkssh/internal/idp"
)

// TestErrorsSay: what people act on is in the text, and what a provider or somebody on the way chose is not.
func TestErrorsSay(t *testing.T) {
	op := newProvider(t)
	for name, test := range map[string]struct {
		answer    http.HandlerFunc
		says, not string
	}{
		"a login page":          {typed("text/html", "<html>"), "HTML page, as from a login form", "text/html"},
		"another login page":    {typed("application/xhtml+xml", "<html>"), "HTML page, as from a login form", "xhtml"},
		"another type":          {typed("image/png", ""), `expected JSON, got "image/png"`, "HTML"},
		"a redirect to nowhere": {redirect("https://127.0.0.1:1/chosen"), op.URL + jwksPath, "chosen"},
	} {
		op.set(jwksPath, test.answer)
		_, err := op.newCache("", newClock()).Keys(context.Background(), op.issuer, nil)
		if err == nil || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), test.not) {
			t.Errorf("%s: expected %q and not %q, got %v", name, test.says, test.not, err)
		}
	}
	op.setKeys("one")
	op.set(userinfoPath, typed("application/jwt", "e30.e30.e30"))
	_, err := op.newCache("", newClock()).Userinfo(context.Background(), op.issuer, accessToken, "alice")
	if err == nil || !strings.Contains(err.Error(), "signed answer (application/jwt), which is not supported") {
		t.Errorf("signed userinfo: got %v", err)
	}
}

// TestForbiddenConnection: what this system forbids is not looked for at the provider.
func TestForbiddenConnection(t *testing.T) {
	const asked = "https://op.example.com"
	for errno, forbidden := range map[syscall.Errno]bool{syscall.EACCES: true, syscall.EPERM: true, syscall.ECONNREFUSED: false} {
		err := idp.NetworkError(asked, &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", errno)})
		if strings.Contains(err.Error(), "this system forbids the connection") != forbidden || !errors.Is(err, errno) {
			t.Errorf("%v: got %q", errno, err)
		}
	}
}

func TestErrorText(t *testing.T) {
	_, endpoint := idp.ParseDiscovery([]byte(`{"issuer":"https://op.example.com","jwks_uri":"http://op.example.com/keys"}`), "https://op.example.com")
	cause := errors.New("cause")
	long := strings.Repeat("a", 200)
	for _, test := range []struct {
		err  error
		want string
	}{
		{idp.CheckIssuer("http://op.example.com"), `issuer-url: "http://op.example.com": expected https (http is for a loopback host)`},
		{idp.CheckIssuer("ftp://op.example.com"), `issuer-url: "ftp://op.example.com": expected https`},
		{endpoint, `endpoint-url: "http://op.example.com/keys": jwks_uri: expected https`},
		{&idp.Error{Reason: idp.ReasonBusy}, "asked-already"},
		{&idp.Error{Reason: idp.ReasonBusy, Detail: "lock", Err: cause}, "asked-already: lock: cause"},
		{&idp.Error{Reason: idp.ReasonBusy, URL: long, Err: cause}, `asked-already: "` + long + `": cause`},
		{&idp.Error{Reason: idp.ReasonBusy, URL: long + "b\n"}, `asked-already: "` + long + `..."`},
		{&idp.Error{Reason: idp.ReasonBusy, URL: "ö\n"}, `asked-already: "\u00f6\n"`},
	} {
		if test.err == nil || test.err.Error() != test.want {
			t.Errorf("expected %q, got %q", test.want, test.err)
		}
	}
}
