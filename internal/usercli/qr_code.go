package usercli

import (
	"strings"

	"rsc.io/qr"
)

// quietZone is the margin that a QR code needs, in modules (ISO/IEC 18004).
const quietZone = 4

// qrCode draws two modules in a character. Light ones are drawn, as terminals are dark, without escape sequences: on a light
// terminal the code is inverted, which phones read too. ok is false for what is too long for a code.
func qrCode(text string) (lines []string, ok bool) {
	code, err := qr.Encode(text, qr.L)
	if err != nil {
		return nil, false
	}
	light := func(x, y int) bool {
		return y < code.Size+quietZone && !code.Black(x, y) // outside of the code nothing is black
	}
	for y := -quietZone; y < code.Size+quietZone; y += 2 {
		var line strings.Builder
		for x := -quietZone; x < code.Size+quietZone; x++ {
			switch upper, lower := light(x, y), light(x, y+1); {
			case upper && lower:
				line.WriteRune('█')
			case upper:
				line.WriteRune('▀')
			case lower:
				line.WriteRune('▄')
			default:
				line.WriteRune(' ')
			}
		}
		lines = append(lines, line.String())
	}
	return lines, true
}
