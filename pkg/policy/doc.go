// Package policy decides who may log in as whom. It reads a host's providers, auth_id and config.yml, and holds a verified
// token against them.
//
// The package does no input or output of its own: bytes and a verified token go in, a decision with its reason comes out.
// A row of providers or auth_id that cannot be used is skipped and reported as a [Problem], and never affects another row.
// A config.yml that cannot be used is an error as a whole, since a deny list must not be skipped.
package policy
