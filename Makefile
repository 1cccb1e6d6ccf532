# Variables to set on the command line, as in: make stress PKG=./strand COUNT=100
PKG      = ./...
COUNT    = 20
RUN      = .
BENCH    = .
FUZZTIME = 10s
SOAKTIME = 60s
SEED     = 0

.PHONY: help test race stress fuzz soak lint bench api web cover install ci

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@printf '\nvariables: PKG=%s COUNT=%s RUN=%s BENCH=%s FUZZTIME=%s SOAKTIME=%s SEED=%s\n' \
		'$(PKG)' '$(COUNT)' '$(RUN)' '$(BENCH)' '$(FUZZTIME)' '$(SOAKTIME)' '$(SEED)'

test: ## run the tests
	go test $(PKG)

race: ## run the tests under the race detector
	go test -race $(PKG)

stress: ## run the tests that match RUN COUNT times under the race detector
	go test -race -count=$(COUNT) -run='$(RUN)' $(PKG)

fuzz: ## run every fuzz target for FUZZTIME
	@list=$$(go test -list='^Fuzz' $(PKG)) || { printf '%s\n' "$$list"; exit 1; }; \
	printf '%s\n' "$$list" | \
	awk '/^Fuzz/ { name[n++] = $$1 } /^ok/ { for (i = 0; i < n; i++) print name[i], $$2; n = 0 }' | \
	while read -r name pkg; do \
		echo "== $$name in $$pkg"; \
		go test -run='^$$' -fuzz="^$$name\$$" -fuzztime=$(FUZZTIME) "$$pkg" </dev/null || exit 1; \
	done

soak: ## call worker processes for SOAKTIME while they are killed, with SEED; 0 chooses one
	go run ./internal/soak -v -for=$(SOAKTIME) -seed=$(SEED)

lint: ## check format, vet, staticcheck and go.mod
	.ci/run format vet staticcheck tidy

bench: ## run the benchmarks that match BENCH, then braid beside its peers
	go test -run='^$$' -bench='$(BENCH)' -benchmem $(PKG)
	go run -C bench .

api: ## write the public API to api/braid.txt, after a change that is meant
	go test ./internal/policy -run='^TestAPI$$' -update

web: ## build the page that shows a run, from dashboard/web/src
	dashboard/web/check --write

cover: ## show which statements the tests reach, in coverage.html
	go test -coverprofile=coverage.out -coverpkg=./... $(PKG)
	go tool cover -html=coverage.out -o coverage.html
	go tool cover -func=coverage.out | tail -n 1

install: ## install the command
	go install ./cmd/braid

ci: ## check everything, as the CI does
	.ci/run
