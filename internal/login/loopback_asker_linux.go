package login

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
)

// isStranger is whether another user's program is at the other end of a request's connection. Root's is none, as it forwards ports.
func isStranger(r *http.Request) bool {
	server, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	client, err := netip.ParseAddrPort(r.RemoteAddr)
	if !ok || err != nil {
		return true
	}
	owner, known := ownerOf(client, server.AddrPort())
	return known && !slices.Contains(ownUsers(), owner)
}

// ownUsers are the user IDs that count as the person's: with sudo or su, also that of whoever logged in to this computer.
func ownUsers() []string {
	users := []string{"0", strconv.Itoa(os.Getuid())}
	if login, err := os.ReadFile("/proc/self/loginuid"); err == nil {
		users = append(users, strings.TrimSpace(string(login)))
	}
	return users
}

// ownerOf finds the user ID of the socket that is connected from client to server, both of this computer; "" if it is gone or closed, as
// by somebody who has sent a request and does not want to be seen. It is not known where the kernel does not tell, nor in WSL, where
// the browser is in the Windows around us.
func ownerOf(client, server netip.AddrPort) (uid string, known bool) {
	for range 3 { // the kernel's list is not read in one step
		for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
			file, err := os.Open(table)
			if err != nil {
				continue // without IPv6 there is one table
			}
			known = true
			uid := ownerIn(file, client, server)
			_ = file.Close()
			if uid != "" {
				return uid, true
			}
		}
	}
	return "", known && !Browser{}.InWSL()
}

// ownerIn reads a table of proc_pid_net(5). A socket that its program has closed has no inode there, and root for its owner.
func ownerIn(table io.Reader, client, server netip.AddrPort) (uid string) {
	const local, remote, owner, inode = 1, 2, 7, 9 // the columns
	clients, servers := tableForms(client), tableForms(server)
	lines := bufio.NewScanner(table)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) > inode && fields[inode] != "0" && slices.Contains(clients, fields[local]) && slices.Contains(servers, fields[remote]) {
			return fields[owner]
		}
	}
	return ""
}

// tableForms are address and port as the tables have them: the address as words of 32 bits, each as this machine has numbers. An IPv4
// address is in the table of IPv6, in IPv6 clothes, if that is what its program asked for.
func tableForms(end netip.AddrPort) []string {
	address, words := end.Addr().As16(), ""
	for word := range slices.Chunk(address[:], 4) {
		words += fmt.Sprintf("%08X", binary.NativeEndian.Uint32(word))
	}
	port := fmt.Sprintf(":%04X", end.Port())
	forms := []string{words + port}
	if end.Addr().Unmap().Is4() {
		forms = append(forms, words[24:]+port)
	}
	return forms
}
