# make demo       the main job, on this machine, as this user
# make test       everything that has to pass; installs what is missing (Debian)
# make build      bin/opkssh and bin/verifier
# make man        docs/man, from the commands
# make release    bin/release: each program for each system, from a clean checkout (docs/releases.md)
# make vulncheck  known vulnerabilities in what is linked; needs the network

GO            ?= go
TOOLS         := $(CURDIR)/bin/tools
GOLANGCI_LINT := golangci-lint@v2.15.0
STATICCHECK   := staticcheck@v0.8.2
GOVULNCHECK   := govulncheck@v1.8.0
RELEASE       := -trimpath -ldflags='-s -w'
# What people run is for each of their systems; what hosts run, for Linux.
TARGETS       := linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64
# Fetches whole releases: no part of make test.
COMPATIBILITY := $(shell $(GO) list ./integration/compatibility 2>/dev/null)
# Take ten minutes each: no part of make test.
SOAK          := $(shell $(GO) list ./integration/soak/embedded ./integration/soak/host 2>/dev/null)
# The tests of these packages need root and the programs that integration/setup.sh installs.
INTEGRATION   := $(filter-out $(COMPATIBILITY) $(SOAK),$(shell $(GO) list ./integration/... 2>/dev/null))
# Files of root and of strangers.
AS_ROOT_TOO   := $(shell $(GO) list ./internal/hostfiles 2>/dev/null)
UNIT          := $(filter-out $(INTEGRATION) $(COMPATIBILITY) $(SOAK) $(AS_ROOT_TOO),$(shell $(GO) list ./... 2>/dev/null))
# Their work is counted.
LINEAR        := ./integration/allocation/ $(addprefix ./,$(sort $(dir $(shell grep -rl --include='*_test.go' allocation.Linear internal pkg))))
AS_ROOT       := $(if $(filter 0,$(shell id -u)),,sudo -E env "PATH=$$PATH")
FUZZTIME      ?= 30s
FUZZROUNDS    ?= 1
FUZZTOTAL     ?= 0
FUZZJOBS      ?= 1
FUZZMATCH     ?=
MUTANTS       ?= ./pkg/...

.PHONY: build release vulncheck man demo test setup lint unit linear cross integration compatibility load bench fuzz mutants clean

build:
	CGO_ENABLED=0 $(GO) build $(RELEASE) -o bin/ ./cmd/opkssh ./cmd/verifier

# The same commit and the same Go give the same bytes. What of the caller's settings would change them is set here.
release:
	@changes=$$(git status --porcelain) || { echo "make release: expected a git checkout: the programs carry its version" >&2; exit 1; }; \
	test -z "$$changes" || { echo "make release: expected a clean checkout, found changes or new files: commit them, or see git status" >&2; exit 1; }
	@rm -rf bin/release && mkdir -p bin/release
	@for target in $(TARGETS); do \
		echo "release: $$target"; \
		os=$${target%/*} arch=$${target#*/}; \
		export CGO_ENABLED=0 GOFLAGS=-buildvcs=true GOWORK=off GOEXPERIMENT= GOFIPS140=off GOAMD64=v1 GOARM64=v8.0; \
		programs=opkssh suffix=; \
		if [ $$os = linux ]; then programs="opkssh verifier"; elif [ $$os = windows ]; then suffix=.exe; fi; \
		for program in $$programs; do \
			GOOS=$$os GOARCH=$$arch $(GO) build $(RELEASE) -o bin/release/$$program-$$os-$$arch$$suffix ./cmd/$$program || exit 1; \
		done; \
	done
	@$(GO) run ./integration/supplychain/sbom bin/release/*
	@cd bin/release && export LC_ALL=C && sha256sum * >SHA256SUMS.new && mv SHA256SUMS.new SHA256SUMS

# Without its database there is no answer: GOVULNDB names a mirror (https://… or file:///…). No part of make test, which needs no network.
vulncheck: $(TOOLS)/$(GOVULNCHECK)
	@GOVULNDB=$${GOVULNDB:-https://vuln.go.dev} && export GOVULNDB && status=0 && $(TOOLS)/$(GOVULNCHECK) ./cmd/opkssh ./cmd/verifier ./pkg/... || status=$$?; \
	case $$status in \
	0) ;; \
	3) echo "make vulncheck: the programs call what is known to be vulnerable: update it" >&2 ;; \
	*) echo "make vulncheck: not checked; if the database $$GOVULNDB cannot be reached from here, GOVULNDB=URL names a mirror" >&2 ;; \
	esac; exit $$status

man:
	$(GO) run ./integration/manpages docs/man

demo:
	@$(GO) run ./cmd/demo $(if $(filter 1,$(BROWSER)),--browser)

test: setup lint unit linear cross integration
	@$(GO) run ./integration/untested/report

setup:
	integration/setup.sh

lint: $(TOOLS)/$(GOLANGCI_LINT) $(TOOLS)/$(STATICCHECK)
	@test -z "$$(gofmt -l cmd internal pkg integration policies)" || { echo "run gofmt on:"; gofmt -l cmd internal pkg integration policies; exit 1; }
	$(GO) vet ./...
	$(TOOLS)/$(STATICCHECK) ./...
	$(TOOLS)/$(GOLANGCI_LINT) run ./...

$(TOOLS)/$(GOLANGCI_LINT):
	GOBIN=$(TOOLS)/install $(GO) install github.com/golangci/golangci-lint/v2/cmd/$(GOLANGCI_LINT)
	mv $(TOOLS)/install/golangci-lint $@

$(TOOLS)/$(STATICCHECK):
	GOBIN=$(TOOLS)/install $(GO) install honnef.co/go/tools/cmd/$(STATICCHECK)
	mv $(TOOLS)/install/staticcheck $@

$(TOOLS)/$(GOVULNCHECK):
	GOBIN=$(TOOLS)/install $(GO) install golang.org/x/vuln/cmd/$(GOVULNCHECK)
	mv $(TOOLS)/install/govulncheck $@

unit:
	$(GO) test -race $(UNIT)
	$(AS_ROOT) $(GO) test -race $(AS_ROOT_TOO)

# What input costs, in bytes and in blocks of code. The race detector would be counted, too. The coverage that is printed says nothing.
linear:
	$(GO) test -run 'Allocation|Fuzz' $(UNIT) $(AS_ROOT_TOO)
	$(GO) test -run Allocation -tags countwork -covermode=atomic -coverpkg=all $(LINEAR)

# Everything builds, and what people run vets, with its tests.
cross:
	@for target in $(TARGETS); do \
		echo "cross: $$target"; \
		export CGO_ENABLED=0 GOOS=$${target%/*} GOARCH=$${target#*/}; \
		$(GO) build $(RELEASE) -o /dev/null ./cmd/opkssh || exit 1; \
		if [ $$GOOS = linux ]; then $(GO) build $(RELEASE) -o /dev/null ./cmd/verifier || exit 1; \
		else $(GO) vet ./cmd/opkssh ./internal/login ./internal/userkeys ./internal/usercli ./internal/idp ./internal/keychain ./internal/filelock ./internal/printable ./internal/hostcli ./pkg/... || exit 1; fi; \
	done

# go caches results by the test alone, and does not see the programs that it runs.
integration:
	@GO="$(GO)" $(AS_ROOT) integration/test.sh -count 1 -timeout 25m $(INTEGRATION)

# The SSH clients of each Debian with the sshd of each, fetched with debootstrap; RELEASES=DIR keeps them. Writes docs/compatibility.md.
compatibility:
	$(AS_ROOT) $(GO) test -count 1 -timeout 60m $(COMPATIBILITY)

# Logins as fast as the machine goes, for DURATION (10m) each at sshd and at a server in Go; fails where something grows. Writes docs/load.md.
load:
	$(AS_ROOT) $(GO) test -count 1 -p 1 -timeout 0 -v $(SOAK) -args -page $(CURDIR)/docs/load.md

# Writes docs/performance.md, and fails where a budget is exceeded. It wants the machine for itself.
bench:
	$(AS_ROOT) $(GO) test -run "^$$" -bench . -benchtime 1x -timeout 20m ./integration/bench -page $(CURDIR)/docs/performance.md

# FUZZTIME for each target, FUZZROUNDS times or until each has had FUZZTOTAL in all; FUZZJOBS targets at once; FUZZMATCH chooses them.
# Goes on after a finding. Adds what ran to docs/fuzzing.md.
fuzz:
	$(GO) run ./integration/fuzz -time $(FUZZTIME) -rounds $(FUZZROUNDS) -total $(FUZZTOTAL) -jobs $(FUZZJOBS) -match "$(FUZZMATCH)" -page $(CURDIR)/docs/fuzzing.md $(UNIT) $(AS_ROOT_TOO)

# Takes one check after another out of the packages that MUTANTS names, and prints those that no test of theirs misses.
mutants:
	$(GO) run ./integration/mutants -jobs 2 $(MUTANTS)

clean:
	rm -rf bin
