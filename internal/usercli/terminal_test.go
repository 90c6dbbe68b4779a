package usercli

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"opkssh/internal/printable"
)

var hostile = map[string]string{
	"plain":        "plain",
	"größe 漢字":     "größe 漢字",
	"a\nb\r\tc":    `a\u000ab\u000d\u0009c`,
	"\x1b[2J":      `\u001b[2J`,
	"\u009b2J":     `\u009b2J`,
	"\u202e\u2066": `\u202e\u2066`,
	"\u2028\u200b": `\u2028\u200b`,
	"\x80\xff":     `\x80\xff`,
	"\ufffd":       "\ufffd",
	"\U000e0041":   `\U000e0041`,
	"\x00\x7f":     `\u0000\u007f`,
}

func TestLinesArePrintable(t *testing.T) {
	for input, want := range hostile {
		var b bytes.Buffer
		(&terminal{out: &b}).result("%s", input)
		if b.String() != want+"\n" {
			t.Errorf("%q: expected %q, got %q", input, want, b.String())
		}
	}
}

func TestJSONIsPrintable(t *testing.T) {
	for input := range hostile {
		var b bytes.Buffer
		if err := (&terminal{out: &b}).json(map[string]string{"claim": input}); err != nil {
			t.Fatal(err)
		}
		if got := printable.Text(b.String()[:b.Len()-1]); got != string(bytes.ReplaceAll(b.Bytes()[:b.Len()-1], []byte("\n"), []byte(`\u000a`))) {
			t.Errorf("%q: not printable: %q", input, b.String())
		}
		var back map[string]string
		if err := json.Unmarshal(b.Bytes(), &back); err != nil {
			t.Errorf("%q: %v", input, err)
		}
		if want := string([]rune(input)); back["claim"] != want {
			t.Errorf("%q: came back as %q", input, back["claim"])
		}
	}
}

func TestDistanceIsNeverRoundedUp(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                                     "0s",
		59*time.Second + 999*time.Millisecond: "59s",
		time.Minute:                           "1m",
		59*time.Minute + 59*time.Second:       "59m",
		time.Hour:                             "1h00m",
		3*time.Hour + 12*time.Minute:          "3h12m",
		47*time.Hour + 59*time.Minute:         "47h59m",
		48 * time.Hour:                        "2d",
		71 * time.Hour:                        "2d",
	} {
		if got := distance(d); got != want {
			t.Errorf("%d: expected %s, got %s", d, want, got)
		}
	}
}

func TestTimesHaveTheirDistance(t *testing.T) {
	defer func(local *time.Location) { time.Local = local }(time.Local)
	time.Local = time.FixedZone("CET", 3600)
	now := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
	for got, want := range map[string]string{
		expiryText(now.Add(5*time.Minute), now):  "2026-11-20 10:05:00 CET (expires in 5m)",
		expiryText(now.Add(-5*time.Minute), now): "2026-11-20 09:55:00 CET (expired 5m ago)",
		expiryText(now, now):                     "2026-11-20 10:00:00 CET (expired 0s ago)",
		startText(now.Add(-time.Hour), now):      "2026-11-20 09:00:00 CET (1h00m ago)",
		startText(now.Add(time.Hour), now):       "2026-11-20 11:00:00 CET (in 1h00m)",
	} {
		if got != want {
			t.Errorf("expected %s, got %s", want, got)
		}
	}
}
