# make demo   the main job, on this machine, as this user
# make test   everything that has to pass; installs what is missing (Debian)
# make build  bin/opkssh and bin/verifier
# make man    docs/man, from the commands

GO            ?= go
TOOLS         := $(CURDIR)/bin/tools
GOLANGCI_LINT := golangci-lint@v2.15.0
STATICCHECK   := staticcheck@v0.8.2
RELEASE       := -trimpath -ldflags='-s -w'
# Fetches whole releases: no part of make test.
COMPATIBILITY := $(shell $(GO) list ./integration/compatibility 2>/dev/null)
# The tests of these packages need root and the programs that integration/setup.sh installs.
INTEGRATION   := $(filter-out $(COMPATIBILITY),$(shell $(GO) list ./integration/... 2>/dev/null))
# Files of root and of strangers.
AS_ROOT_TOO   := $(shell $(GO) list ./internal/hostfiles 2>/dev/null)
UNIT          := $(filter-out $(INTEGRATION) $(COMPATIBILITY) $(AS_ROOT_TOO),$(shell $(GO) list ./... 2>/dev/null))
AS_ROOT       := $(if $(filter 0,$(shell id -u)),,sudo -E env "PATH=$$PATH")
FUZZTIME      ?= 30s

.PHONY: build man demo test setup lint unit cross integration compatibility bench fuzz clean

build:
	CGO_ENABLED=0 $(GO) build $(RELEASE) -o bin/ ./cmd/opkssh ./cmd/verifier

man:
	$(GO) run ./integration/manpages docs/man

demo:
	@$(GO) run ./cmd/demo $(if $(filter 1,$(BROWSER)),--browser)

test: setup lint unit cross integration

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

unit:
	$(GO) test -race $(UNIT)
	$(AS_ROOT) $(GO) test -race $(AS_ROOT_TOO)

# What people run builds and vets, with its tests, for each of their systems; what hosts run, for Linux.
cross:
	@for target in linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64; do \
		echo "cross: $$target"; \
		export CGO_ENABLED=0 GOOS=$${target%/*} GOARCH=$${target#*/}; \
		$(GO) build $(RELEASE) -o /dev/null ./cmd/opkssh || exit 1; \
		if [ $$GOOS = linux ]; then $(GO) build $(RELEASE) -o /dev/null ./cmd/verifier || exit 1; \
		else $(GO) vet ./cmd/opkssh ./internal/login ./internal/userkeys ./internal/usercli ./internal/idp ./internal/keychain ./internal/filelock ./internal/printable ./internal/hostcli ./pkg/... || exit 1; fi; \
	done

# go caches results by the test alone, and does not see the programs that it runs.
integration:
	$(AS_ROOT) $(GO) test -count 1 -timeout 25m $(INTEGRATION)

# Every Debian's ssh with every Debian's sshd, fetched with debootstrap; RELEASES=DIR keeps them. Writes docs/compatibility.md.
compatibility:
	$(AS_ROOT) $(GO) test -count 1 -timeout 30m $(COMPATIBILITY)

bench:
	$(AS_ROOT) $(GO) test -run "^$$" -bench . -benchtime 1x ./integration/bench
	$(GO) test -run "^$$" -bench Ratio -cpu 1 ./pkg/pktoken/gq

fuzz:
	@for package in $(UNIT) $(AS_ROOT_TOO); do \
		for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz'); do \
			echo "fuzz: $$package $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1x $$package || exit 1; \
		done; \
	done

clean:
	rm -rf bin
