package usercli

import (
	"strings"
	"testing"

	"rsc.io/qr"

	"opkssh/internal/printable"
)

// What is drawn is the code, module by module, with its margin.
func TestQRCode(t *testing.T) {
	const text = "https://op.example.com/enter?user_code=WDJB-MJHT"
	lines, ok := qrCode(text)
	if !ok {
		t.Fatal("no code")
	}
	want, err := qr.Encode(text, qr.L)
	if err != nil {
		t.Fatal(err)
	}
	for x := -4; x < want.Size+4; x++ {
		for y := -4; y < want.Size+4; y++ {
			drawn := []rune(lines[(y+4)/2])[x+4]
			light := drawn == '█' || drawn == '▀' && (y+4)%2 == 0 || drawn == '▄' && (y+4)%2 == 1
			if light == want.Black(x, y) {
				t.Fatalf("module %d, %d: light %t", x, y, light)
			}
		}
	}
	if n := len(lines); n != (want.Size+9)/2 {
		t.Errorf("%d lines for %d modules", n, want.Size)
	}
	if drawn := strings.Join(lines, ""); printable.Text(drawn) != drawn {
		t.Errorf("not printable: %q", drawn)
	}
	if _, ok := qrCode(strings.Repeat("x", 3000)); ok {
		t.Error("a code for 3000 characters")
	}
}
