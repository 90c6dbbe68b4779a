package userkeys

import (
	"net"
	"time"
)

// PassDeadline lets the time for what the agent was asked last run out.
func (a *Agent) PassDeadline() error { return a.conn.conn.(net.Conn).SetDeadline(time.Unix(1, 0)) }
