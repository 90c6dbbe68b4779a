package login

import (
	"fmt"
	"slices"
	"strings"
)

// FlowKind is a way to bring the provider's answer to this computer.
type FlowKind string

// The kinds.
const (
	// FlowAuto stands for the kind that [ChooseFlow] finds.
	FlowAuto FlowKind = "auto"
	// FlowBrowser: a browser on this computer, which the provider sends to a page on this computer.
	FlowBrowser FlowKind = "browser"
	// FlowPaste: a browser anywhere; the person carries the address on which it ended to the terminal.
	FlowPaste FlowKind = "paste"
	// FlowDevice: a browser anywhere; the person enters a code there (RFC 8628).
	FlowDevice FlowKind = "device"
)

var flowKinds = []string{string(FlowAuto), string(FlowBrowser), string(FlowPaste), string(FlowDevice)}

// ParseFlowKind reads auto, browser, paste or device.
func ParseFlowKind(s string) (FlowKind, error) {
	if !slices.Contains(flowKinds, s) {
		return "", fmt.Errorf("expected one of %s, got %q", strings.Join(flowKinds, ", "), printable(s, 100))
	}
	return FlowKind(s), nil
}
