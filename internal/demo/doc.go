// Package demo shows the whole job on one computer: an OpenID provider, an SSH server that asks it nothing but its keys, and
// the system's ssh between the two. It is for people who want to see it happen, and its [Provider] is for tests.
//
// Nothing here is fit to protect anything: passwords are known and kept in memory, and so is every key.
package demo
