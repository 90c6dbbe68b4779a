// Package idp talks to OpenID providers: discovery documents, key sets and userinfo, kept in a folder that many short-lived
// processes share.
//
// Whatever a provider or a file in the folder says is untrusted until checked: answers are bounded in size and time, parsed
// strictly, and replace what is held only when they are better. Files count only where nobody but the effective user or root
// could have written them.
package idp
