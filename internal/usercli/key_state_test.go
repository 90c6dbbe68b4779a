package usercli

import (
	"testing"
	"time"

	"opkssh/internal/userkeys"
)

func TestWorst(t *testing.T) {
	for _, c := range []struct {
		states []keyState
		want   keyState
		code   int
	}{
		{nil, keyNone, 2},
		{[]keyState{keyExpired}, keyNone, 2},
		{[]keyState{keyGood}, keyGood, 0},
		{[]keyState{keyExpired, keyGood, keyExpired}, keyGood, 0},
		{[]keyState{keyGood, keyExpiring}, keyExpiring, 1},
		{[]keyState{keyExpiring, keyGood}, keyExpiring, 1},
		{[]keyState{keyGood, keyBroken, keyExpiring}, keyBroken, 3},
		{[]keyState{keyExpired, keyBroken}, keyBroken, 3},
	} {
		if got := worst(c.states); got != c.want || exitCodes[got] != c.code {
			t.Errorf("%v: expected %s and %d, got %s and %d", c.states, c.want, c.code, got, exitCodes[got])
		}
	}
}

func TestEndMargin(t *testing.T) {
	start := time.Unix(1_800_000_000, 0)
	end := start.Add(10 * time.Hour)
	for _, c := range []struct {
		margin string
		at     time.Duration // after start
		want   bool
	}{
		{"1h", 9*time.Hour - time.Second, false},
		{"1h", 9 * time.Hour, true},
		{"75%", 7*time.Hour + 30*time.Minute - time.Second, false},
		{"75%", 7*time.Hour + 30*time.Minute, true},
		{"100%", 10*time.Hour - time.Second, false},
		{"0%", 0, true},
	} {
		var m endMargin
		if err := m.Set(c.margin); err != nil {
			t.Fatal(err)
		}
		if got := m.reached(start, end, start.Add(c.at)); got != c.want {
			t.Errorf("%s at %s: expected %v", c.margin, c.at, c.want)
		}
		if m.reached(start, time.Time{}, end) {
			t.Errorf("%s: reached for a key without an end", c.margin)
		}
		var again endMargin
		if err := again.Set(m.String()); err != nil || again != m {
			t.Errorf("%s is written as %s", c.margin, m.String())
		}
	}
	for _, text := range []string{"", "%", "101%", "-1%", "1.5%", "300%", "0s", "-1h", "1"} {
		if err := new(endMargin).Set(text); err == nil {
			t.Errorf("%q: expected an error", text)
		}
	}
}

func TestStateOf(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	soon := &endMargin{left: time.Hour}
	good := userkeys.Identity{IssuedAt: now.Add(-24 * time.Hour), TokenIssued: now, ValidBefore: now.Add(2 * time.Hour), HasKeyFile: true}
	for name, c := range map[string]struct {
		change func(*userkeys.Identity)
		want   keyState
	}{
		"good":                   {func(*userkeys.Identity) {}, keyGood},
		"in the agent alone":     {func(id *userkeys.Identity) { id.HasKeyFile, id.InAgent = false, true }, keyGood},
		"nowhere":                {func(id *userkeys.Identity) { id.HasKeyFile = false }, keyBroken},
		"with a problem":         {func(id *userkeys.Identity) { id.Problem = "?" }, keyBroken},
		"soon over":              {func(id *userkeys.Identity) { id.ValidBefore = now.Add(time.Hour) }, keyExpiring},
		"over":                   {func(id *userkeys.Identity) { id.ValidBefore = now }, keyExpired},
		"over, with a problem":   {func(id *userkeys.Identity) { id.ValidBefore, id.Problem = now, "?" }, keyExpired},
		"without an end":         {func(id *userkeys.Identity) { id.ValidBefore = time.Time{} }, keyGood},
		"soon over and problems": {func(id *userkeys.Identity) { id.ValidBefore, id.Problem = now.Add(time.Hour), "?" }, keyBroken},
	} {
		id := good
		c.change(&id)
		if got, _ := stateOf(id, soon, now); got != c.want {
			t.Errorf("%s: expected %s, got %s", name, c.want, got)
		}
	}
}
