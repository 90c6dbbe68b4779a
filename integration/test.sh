#!/usr/bin/env bash
# Runs go test with the arguments given, and says once more at the end what failed: the logs of hosts and providers, which a test
# that fails prints, are long.
set -euo pipefail
output=$(mktemp)
trap 'rm -f "$output"' EXIT
status=0
"${GO:-go}" test "$@" 2>&1 | tee "$output" || status=$?
if [ "$status" != 0 ]; then
	echo
	echo "What failed, without the logs that are above:"
	# A test's line names its file. What belongs to it follows, indented, and is cut.
	awk '
		/^ *--- FAIL/ || /^FAIL\t/ { print; rest = 0; next }
		/^panic: / || /^fatal error: / || /DATA RACE/ { rest = 30 }
		/^ +[A-Za-z0-9_]+\.go:[0-9]+: / { rest = / output of [^ ]+:$/ ? 0 : 12 }
		/^(ok|\?) / { rest = 0 }
		rest > 0 { print substr($0, 1, 400); rest-- }
	' "$output"
fi
exit "$status"
