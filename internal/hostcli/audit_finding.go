package hostcli

import (
	"fmt"
	"io"
	"strings"

	"opkssh/internal/printable"
	"opkssh/pkg/policy"
)

// The codes of findings beside those of policy.Lint. docs/audit.md lists them all. Codes are stable.
const (
	codeConfigUnusable    = "config-unusable"
	codeFileUntrusted     = "file-untrusted"
	codeFileUnreadable    = "file-unreadable"
	codeFileNotRead       = "file-not-read"
	codeRowUnusable       = "row-unusable"
	codePluginUnusable    = "plugin-unusable"
	codePluginProgram     = "plugin-program"
	codeChainProgram      = "chain-program"
	codeConfigSize        = "config-size"
	codePermissions       = "permissions"
	codeNoSuchUser        = "no-such-user"
	codeHomeUntrusted     = "home-untrusted"
	codeHomeRow           = "home-row"
	codeUsersNotChecked   = "users-not-checked"
	codeSSHDNotChecked    = "sshd-not-checked"
	codeSSHDConfig        = "sshd-config"
	codeNoCommand         = "no-command"
	codeOtherCommand      = "other-command"
	codeCommandArguments  = "command-arguments"
	codeCommandProgram    = "command-program"
	codeOtherProgram      = "other-program"
	codeOtherFolders      = "other-folders"
	codeNoCommandUser     = "no-command-user"
	codeCommandUserRoot   = "command-user-root"
	codePublicKeyOff      = "public-key-off"
	codeKeyAlgorithms     = "key-algorithms"
	codeMatchBlock        = "match-block"
	codeUserNotAllowed    = "user-not-allowed"
	codeRootLoginOff      = "root-login-off"
	codeOldSSHD           = "old-sshd"
	codeSourcePenalties   = "source-penalties"
	codeCacheFolder       = "cache-folder"
	codeKeysMissing       = "keys-missing"
	codeKeysStale         = "keys-stale"
	codeKeysTooOld        = "keys-too-old"
	codeProviderDown      = "provider-unreachable"
	codeProviderAlgorithm = "provider-algorithms"
	codeClockSkew         = "clock-skew"
	codeClockUnknown      = "clock-unknown"
	codeLogNotChecked     = "log-not-checked"
	codeDenied            = "denied"
	codeNothingLogged     = "nothing-logged"
	codeNoSuchRule        = "no-such-rule"
	codeSandboxOff        = "sandbox-off"
	codeSandboxIncomplete = "sandbox-incomplete"
	codeSandboxPort       = "sandbox-port"
)

func auditCodes() []string {
	codes := []string{
		codeConfigUnusable, codeFileUntrusted, codeFileUnreadable, codeFileNotRead, codeRowUnusable, codePluginUnusable, codePluginProgram, codeChainProgram, codeConfigSize, codePermissions,
		codeNoSuchUser, codeHomeUntrusted, codeHomeRow, codeUsersNotChecked, codeSSHDNotChecked, codeSSHDConfig, codeNoCommand, codeOtherCommand,
		codeCommandArguments, codeCommandProgram, codeOtherProgram, codeOtherFolders, codeNoCommandUser, codeCommandUserRoot, codePublicKeyOff, codeKeyAlgorithms,
		codeMatchBlock, codeUserNotAllowed, codeRootLoginOff, codeOldSSHD, codeSourcePenalties, codeCacheFolder, codeKeysMissing, codeKeysStale,
		codeKeysTooOld, codeProviderDown, codeProviderAlgorithm, codeClockSkew, codeClockUnknown, codeLogNotChecked, codeDenied, codeNothingLogged,
		codeNoSuchRule, codeSandboxOff, codeSandboxIncomplete, codeSandboxPort,
	}
	for _, code := range policy.FindingCodes() {
		codes = append(codes, string(code))
	}
	return codes
}

// auditFinding is one thing that audit and doctor have to say.
type auditFinding struct {
	Check    string          `json:"check"`
	Code     string          `json:"code"`
	Severity policy.Severity `json:"severity"`
	File     string          `json:"file,omitempty"`
	Line     int             `json:"line,omitempty"`
	Column   int             `json:"column,omitempty"`
	Text     string          `json:"text"`
	Hint     string          `json:"hint,omitempty"`
}

func (f auditFinding) String() string {
	text := fmt.Sprintf("%s: %s (%s)", f.Severity, f.Text, f.Code)
	if f.File != "" {
		text = place(f.File, f.Line, f.Column) + ": " + text
	}
	return text
}

// print writes the finding, and what to do about it, on lines of their own.
func (f auditFinding) print(w io.Writer, indent string) error {
	text := indent + printable.Text(f.String()) + "\n"
	if f.Hint != "" {
		text += indent + "hint: " + printable.Text(f.Hint) + "\n"
	}
	_, err := io.WriteString(w, text)
	return err
}

// isSerious: scripts want to hear of it.
func (f auditFinding) isSerious() bool { return f.Severity != policy.SeverityNote }

// countFindings is a line such as "2 errors, 1 warning, 0 notes".
func countFindings(findings []auditFinding) string {
	var parts []string
	for _, severity := range []policy.Severity{policy.SeverityError, policy.SeverityWarning, policy.SeverityNote} {
		n := 0
		for _, f := range findings {
			if f.Severity == severity {
				n++
			}
		}
		parts = append(parts, countOf(n, string(severity)))
	}
	return strings.Join(parts, ", ")
}

func countOf(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
