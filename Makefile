# The developer's whole interface. `make` alone lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help
BIN := .venv/bin
GATEWAY := $(BIN)/gateway
PYTEST := $(BIN)/pytest
READY := .venv/.ready
# On a loaded CI machine a wait can run out. Such a test, and no other, runs once more, and the summary names it.
PATIENT := $(if $(CI),--reruns 1 --only-rerun 'did not hold within' --only-rerun 'Timeout [0-9]+ms exceeded' -rR)

# Files run side by side, each process with a stack of its own: a test of real processes waits more than it computes.
SIDE_BY_SIDE := --numprocesses $(or $(workers),2) --dist loadfile --no-loadscope-reorder

.PHONY: help up down status logs restart lint check test clients simulate mutations domain-mutants bench chaos faults soak pictures docs recovery-drill failover-test upgrade-test verify compose-test sbom licences fmt venv

help: ## List these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: venv ## Install what is missing, start everything, make a test payment, print the URLs
	@$(GATEWAY) up

down: venv ## Stop what `make up` started
	@$(GATEWAY) down

status: venv ## Show every process with its state, health, restarts and memory
	@$(GATEWAY) status

logs: venv ## Follow a log: make logs role=payments
	@$(GATEWAY) logs $(or $(role),api) -f

restart: venv ## Restart the roles with the code on disk: make restart [role=api]
	@$(GATEWAY) restart $(or $(role),roles)

lint: venv ## Check format, lint, types and architecture
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

check: lint ## Run `make lint` and the unit tests; about 2 min
	@$(PYTEST) -q tests/unit

test: venv ## Run every test: unit, integration, end to end, browser and pages, on free ports; about 25 min: [workers=2]
	@$(GATEWAY) install --tests
	@code=0; \
	$(GATEWAY) pages build || code=1; \
	$(PYTEST) tests -m "not chaos and not clients" $(SIDE_BY_SIDE) --durations=15 $(PATIENT) || code=1; \
	$(GATEWAY) pages test || code=1; \
	exit $$code

clients: venv ## Build programs with Razorpay's other clients and run them against the test double
	@$(PYTEST) tests/e2e/razorpay -m clients -rs

simulate: venv ## Run worlds of simulated faults by seed: make simulate [seeds=0:1000] [minutes=60]
	@$(BIN)/python -m simulation --seeds $(or $(seeds),0:1000) $(if $(minutes),--minutes $(minutes))

mutations: venv ## Check that the simulation finds small defects; writes the table in docs/SIMULATION.md; takes hours
	@$(BIN)/python -m tests.simulation.mutations

domain-mutants: venv ## List changes of domain/ that no test detects; takes hours: make domain-mutants [only="domain.rules*"]
	@$(BIN)/python -m tests.domain_mutants $(if $(only),--only $(only))

bench: venv ## Measure throughput and latency on a stack of its own; about 5 min
	@$(BIN)/python -m bench

chaos: venv ## Inject faults in random order under load, then audit: make chaos [minutes=3] [seed=1]
	@$(GATEWAY) install --tests
	@$(BIN)/python -m bench.chaos --minutes $(or $(minutes),3) --seed $(or $(seed),1)

faults: venv ## Inject each fault by itself, then run the slow fault tests; about 20 min: make faults [only=zombie,disk] [seed=1]
	@$(GATEWAY) install --tests
	@$(BIN)/python -m bench.chaos --only "$(only)" --seed $(or $(seed),1)
	@$(if $(only),,$(PYTEST) tests -m chaos --durations=15)
	@$(if $(only),,HOSTILE_RECORDS=10000 $(PYTEST) tests/unit/test_hostile_records.py tests/unit/test_batches.py --timeout=3600)

pictures: venv ## Take the README's pictures from a running gateway; about 2 min
	@$(BIN)/python -m bench.pictures

docs: venv ## Build the documentation with search; the dashboard serves it under /docs/ after `make restart role=pages`
	@$(GATEWAY) pages docs

soak: venv ## Run at half load for a while, to find what grows or drifts: make soak [minutes=20]
	@$(BIN)/python -m bench.soak --minutes $(or $(minutes),20)

recovery-drill: venv ## Back up under load, destroy the database, restore, recover, verify; about 2 min: [seconds=20] [seed=1]
	@$(GATEWAY) install --tests
	@$(BIN)/python -m bench.drill --seconds $(or $(seconds),20) --seed $(or $(seed),1)

upgrade-test: venv ## Upgrade from the previous release under load, role by role, and back; about 5 min: [seed=1]
	@$(GATEWAY) install --tests
	@$(BIN)/python -m bench.upgrade --seed $(or $(seed),1)

failover-test: venv ## Kill each redundant part under load, then a whole machine; about 6 min, needs Patroni and etcd: [seed=1]
	@$(GATEWAY) install --tests
	@$(BIN)/python -m bench.failover --seed $(or $(seed),1)

verify: venv ## Check the invariants of the running stack
	@$(GATEWAY) verify

compose-test: venv ## Build and run docker-compose.yml on a private engine; about 6 min, skips where none can run
	@tests/compose/run

sbom: venv ## Write bills of materials of the Python and web packages: CycloneDX JSON in sbom/
	@ops/supply/make-sbom

licences: sbom ## Check the licences of all dependencies against the allow-list (ops/supply/licences.py)
	@$(BIN)/python -m ops.supply.licences sbom/python.json sbom/web.json

fmt: venv ## Format the Python code and apply safe lint fixes
	@$(BIN)/ruff check --fix -q . || true
	@$(BIN)/ruff format .

venv: $(READY) ## Make .venv with the locked versions

$(READY): pyproject.toml constraints.txt
	@ops/make-venv
