package hostcli

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
)

// sshdSession is the sshd process that asks. Each connection has its own, which asks about all keys of one client.
type sshdSession struct {
	pid   int
	start string // ticks since the system's start: no two processes have pid and start in common
}

// findSSHDSession is false where somebody else runs this program, or /proc does not say.
func findSSHDSession() (sshdSession, bool) {
	s := sshdSession{pid: os.Getppid()}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(s.pid) + "/stat")
	if err != nil {
		return s, false
	}
	// proc_pid_stat(5): the name, in parentheses, can hold anything; the start is the 20th word after it.
	open, end := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
	if open < 0 || end < open || !bytes.HasPrefix(stat[open+1:end], []byte("sshd")) {
		return s, false
	}
	words := bytes.Fields(stat[end+1:])
	if len(words) < 20 {
		return s, false
	}
	s.start = string(words[19])
	return s, true
}

func (s sshdSession) String() string { return fmt.Sprintf("%d %s", s.pid, s.start) }
