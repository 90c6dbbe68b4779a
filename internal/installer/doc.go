// Package installer sets a Linux host up for logins with OpenID Connect identities, and takes that back.
//
// [PlanInstall] and [PlanUninstall] look at the host and change nothing; [Plan.Apply] does what they planned, and undoes it again
// where a step fails. What an installation has made is written to [ManifestPath], before it is made, so that an uninstallation finds
// it, whatever interrupted the installation.
package installer
