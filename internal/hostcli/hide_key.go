package hostcli

import (
	"os"
	"strings"
	"unsafe"
)

// hideKey overwrites the key in the process's command line, which every user of the host can read while we run (/proc/PID/cmdline,
// ps): the certificate in it holds an ID token, and an access token where its owner wanted that.
func (a *verifyArguments) hideKey() {
	shown := a.key
	a.key = strings.Clone(shown)
	for _, argument := range os.Args {
		// The runtime's strings lie in the memory that the kernel shows; nothing else uses it. Any other string may be constant.
		if data := unsafe.StringData(argument); data == unsafe.StringData(shown) { //nolint:gosec // compared
			clear(unsafe.Slice(data, len(argument))) //nolint:gosec // as long as the string
		}
	}
}
