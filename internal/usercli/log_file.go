package usercli

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// logName is the file in --log-dir.
const logName = "opkssh.log"

// openLog lets all notes and details be appended to a file in dir, too.
func (t *terminal) openLog(dir string) error {
	if dir == "" {
		return nil
	}
	file, err := os.OpenFile(filepath.Join(dir, logName), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return withHint(err, "--log-dir names a folder that is there")
	}
	if info, err := file.Stat(); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows" {
		if err := file.Chmod(0o600); err != nil {
			t.note("warning: others may read the log: %v", err)
		}
	}
	t.log = file
	t.logLine("%s", versionText())
	return nil
}

// closeLog ends the log. What could not be written is lost: there is nobody to tell it to.
func (t *terminal) closeLog() {
	if t.log != nil {
		_ = t.log.Close()
	}
}

// logLine writes one line with the time (RFC 3339).
func (t *terminal) logLine(format string, args ...any) {
	if t.log != nil {
		writeLine(t.log, "%s %s", time.Now().Format(time.RFC3339), fmt.Sprintf(format, args...))
	}
}

// unlogged is a note that only the person may see: an address with the state of a login in it, or a code to type.
func (t *terminal) unlogged(format string, args ...any) { writeLine(t.err, format, args...) }
