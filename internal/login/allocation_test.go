package login_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"opkssh/integration/allocation"
	"opkssh/internal/login"
	"opkssh/pkg/pktoken"
	"opkssh/pkg/pktoken/pktokentest"
)

// What a provider, a person or their configuration says takes memory in proportion.
func TestAllocation(t *testing.T) {
	repeat := allocation.Repeat
	const provider = "alias: a%d, issuer: https://op.example.com, client_id: c"
	redirect, err := url.Parse("http://localhost:3000/login-callback")
	if err != nil {
		t.Fatal(err)
	}
	op := pktokentest.NewIssuer(t, "https://ci.example.com", "RS256")
	keys, client := pktokentest.KeySet(t, op), newClient(t)
	added := newProvider(t)
	inputs := map[string]allocation.Input{
		"providers": {Before: "providers:\n", Part: func(i int) string { return fmt.Sprintf("- {"+provider+"}\n", i) }},
		"aliases":   {Before: "providers:\n- alias: ", Part: func(i int) string { return fmt.Sprintf("a%d ", i) }},
		"scopes":    {Before: "providers:\n- scopes: [", Part: repeat("a,"), After: "]\n"},
		"one list in many places": {Whole: func(size int) []byte {
			text := "providers:\n- {" + fmt.Sprintf(provider, 0) + ", hosts: &h [" + strings.Repeat("a,", size/4) + "]}\n"
			for i := 1; len(text) < size; i++ {
				text += "- {" + fmt.Sprintf(provider, i) + ", hosts: *h}\n"
			}
			return []byte(text)
		}},
		"members":        {Part: func(i int) string { return fmt.Sprintf("a%d: b\n", i) }},
		"deep brackets":  {Part: repeat("[")},
		"commas":         {Part: repeat("a,")},
		"provider list":  {Part: func(i int) string { return fmt.Sprintf("a%d,https://op.example.com,c;", i) }},
		"colons":         {Part: repeat("::")},
		"a long text":    {Part: repeat("a")},
		"percent":        {Before: "http://localhost:3000/login-callback?state=", Part: repeat("%41")},
		"parameters":     {Before: "?state=a", Part: repeat("&code=")},
		"dots":           {Part: repeat(".")},
		"a long payload": {Before: "e30.", Part: repeat("e30"), After: ".AA"},
		"JSON members":   {Before: "{", Part: func(i int) string { return fmt.Sprintf(`"%d":0,`, i) }, After: `"value":"a"}`},
		"JSON text":      {Before: `{"value":"`, Part: repeat("a"), After: `"}`},
		"user code":      {Before: `{"device_code":"d","user_code":"`, Part: repeat("A"), After: `"}`},
		"device error":   {Before: `{"error":"`, Part: repeat(`\u001b`), After: `"}`},
	}
	for name, read := range map[string]func(data []byte){
		"config":        func(data []byte) { _, _ = login.ParseConfig("config.yml", data) },
		"added":         func(data []byte) { _, _ = login.AppendProvider("config.yml", data, added) },
		"provider":      func(data []byte) { _, _ = login.ParseProvider(string(data)) },
		"provider list": func(data []byte) { _, _ = login.ParseProviderList(string(data)) },
		"pasted":        func(data []byte) { _, _, _ = login.ParsePasted(string(data), redirect) },
		"runner":        func(data []byte) { _, _ = login.ActionsValue(data) },
		"device": func(data []byte) {
			members, _ := pktoken.ParseObject(data)
			_, _, _ = login.ReadDeviceAnswer(200, members, time.Unix(0, 0))
			_, _, _ = login.ReadDeviceAnswer(400, members, time.Unix(0, 0))
		},
		"job": func(data []byte) {
			job := login.Job{Source: login.IDTokenFile{Name: "-", Stdin: strings.NewReader(string(data))}, Keys: keys}
			_, _ = job.Login(context.Background(), client)
		},
	} {
		t.Run(name, func(t *testing.T) { allocation.Linear(t, inputs, read) })
	}
}
