package usercli_test

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/crypto/ssh/agent"

	"opkssh/pkg/sshcert"
)

// sshAgent starts the system's ssh-agent until the script's end, and names it in SSH_AUTH_SOCK.
func sshAgent(ts *testscript.TestScript, _ bool, _ []string) {
	socket := ts.MkAbs("agent")
	process := exec.Command("ssh-agent", "-D", "-a", socket)
	ts.Check(process.Start())
	ts.Defer(func() {
		_ = process.Process.Kill()
		_ = process.Wait()
	})
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if conn, err := net.Dial("unix", socket); err == nil {
			_ = conn.Close()
			ts.Setenv("SSH_AUTH_SOCK", socket)
			return
		}
	}
	ts.Fatalf("no ssh-agent after a minute")
}

// silentAgent FILE takes connections and answers nothing, like an agent that was forwarded by a computer that sleeps now. FILE gets a line for
// each thing that it is asked.
func silentAgent(ts *testscript.TestScript, _ bool, args []string) {
	heard := ts.MkAbs(args[0])
	ts.Setenv("SSH_AUTH_SOCK", serveSocket(ts, heard, heard+".new", func(conn net.Conn, file *os.File) {
		for {
			length := make([]byte, 4)
			if _, err := io.ReadFull(conn, length); err != nil {
				return
			}
			if _, err := io.CopyN(io.Discard, conn, int64(binary.BigEndian.Uint32(length))); err != nil {
				return
			}
			_, _ = file.WriteString("asked\n")
			_ = os.Rename(heard+".new", heard) // which is there when something is in it
		}
	}))
}

// everlastingAgent FILE takes no key with a lifetime, like the agent of Windows. FILE gets a line for each key that it takes.
func everlastingAgent(ts *testscript.TestScript, _ bool, args []string) {
	keys := agent.NewKeyring()
	held := ts.MkAbs(args[0])
	ts.Setenv("SSH_AUTH_SOCK", serveSocket(ts, held, held, func(conn net.Conn, file *os.File) {
		_ = agent.ServeAgent(&everlasting{keys, file}, conn)
	}))
}

type everlasting struct {
	agent.Agent
	added io.Writer
}

func (e *everlasting) Add(key agent.AddedKey) error {
	if key.LifetimeSecs > 0 {
		return errors.New("no lifetimes")
	}
	_, _ = io.WriteString(e.added, "added\n")
	return e.Agent.Add(key)
}

// deadBus FILE [UNTIL] is a session bus that hangs up on everybody, so that no keychain can be asked, and keeps them waiting until UNTIL is
// there. FILE gets a line for each call.
func deadBus(ts *testscript.TestScript, _ bool, args []string) {
	heard := ts.MkAbs(args[0])
	ts.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path="+serveSocket(ts, heard, heard, func(conn net.Conn, file *os.File) {
		_, _ = file.WriteString("called\n")
		for end := time.Now().Add(time.Minute); len(args) > 1 && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			if _, err := os.Stat(ts.MkAbs(args[1])); err == nil {
				break
			}
		}
		_ = conn.Close()
	}))
}

// serveSocket serves the socket NAME.socket until the script ends. log is for what there is to tell of it.
func serveSocket(ts *testscript.TestScript, name, log string, serve func(conn net.Conn, log *os.File)) (socket string) {
	socket = name + ".socket"
	listener, err := net.Listen("unix", socket)
	ts.Check(err)
	ts.Defer(func() { _ = listener.Close() })
	file, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	ts.Check(err)
	ts.Defer(func() { _ = file.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go serve(conn, file)
		}
	}()
	return socket
}

// waitForEmptyAgent waits until the agent has dropped its keys.
func waitForEmptyAgent(ts *testscript.TestScript, _ bool, _ []string) {
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		// Its status is 1 where it sees none.
		if ts.Exec("ssh-add", "-l") != nil && ts.ReadFile("stdout") == "The agent has no identities.\n" {
			return
		}
	}
	ts.Fatalf("the agent holds keys after a minute")
}

// waitForEnd waits until the certificate in a file has ended, or the agent's time for its key as the file tells it.
func waitForEnd(ts *testscript.TestScript, _ bool, args []string) {
	cert, comment, err := sshcert.ParseLine([]byte(ts.ReadFile(args[0])))
	ts.Check(err)
	end := int64(cert.SSH().ValidBefore)
	if _, until, found := strings.Cut(comment, " until="); found {
		end, err = strconv.ParseInt(until, 10, 64)
		ts.Check(err)
	}
	time.Sleep(time.Until(time.Unix(end, 0)))
}
