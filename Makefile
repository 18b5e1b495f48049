# Fairway's commands. `make run` and `make test` set up all they need; `make help` lists the rest.
MAKEFLAGS += --no-print-directory --no-builtin-rules
.DEFAULT_GOAL := help
BIN := .venv/bin
FLASK := $(BIN)/flask --app wsgi
PYTEST_ARGS ?=

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' Makefile

.PHONY: setup
setup:
	@scripts/setup

.PHONY: setup-dev
setup-dev:
	@scripts/setup dev

.PHONY: run
run: setup ## Start Fairway on this machine (PORT=8000, HOST=127.0.0.1, FAIRWAY_HOME=var)
	@exec $(BIN)/python -m app.cli.run --end-with-parent

.PHONY: stop
stop: setup ## Stop what runs in FAIRWAY_HOME, also what a killed start left behind
	@exec $(BIN)/python -m app.cli.run --stop

.PHONY: test
test: setup-dev lint types ## Run everything the CI runs: lint, types, floors and all tests (PYTEST_ARGS="-k name")
	@FAIRWAY_CHROMIUM="$$(cat .venv/chromium)" $(BIN)/python -m pytest $(PYTEST_ARGS)

.PHONY: check
check: setup-dev lint types ## Run what takes seconds: lint, types and floors

.PHONY: lint
lint: setup-dev ## Check style, and that imports only run down the floors
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@told=$$($(BIN)/lint-imports --no-logo 2>&1) || { echo "$$told"; exit 1; }

.PHONY: types
types: setup-dev ## Check types
	@$(BIN)/mypy --no-error-summary

.PHONY: fmt
fmt: setup-dev ## Format the code, and mend what can be mended by rule
	@$(BIN)/ruff check --quiet --fix .
	@$(BIN)/ruff format .

.PHONY: bench
bench: setup-dev ## Measure against raw limits in the same run (ARGS="--help" lists the sizes)
	@$(BIN)/python -m benchmarks $(ARGS)

.PHONY: migration
migration: setup-dev ## Write a migration from the models, against the database that `make run` keeps (NAME="add notes")
	@test -n "$(NAME)" || { echo 'Say what changes: make migration NAME="add notes"'; exit 1; }
	@$(BIN)/python -m app.cli.run --exec $(FLASK) db migrate -m "$(NAME)"

.PHONY: migrate
migrate: setup ## Bring the database that `make run` keeps (or DATABASE_URL) to the newest migration
	@$(BIN)/python -m app.cli.run --exec $(FLASK) db upgrade

.PHONY: lock
lock: ## Remake the locked requirements from pyproject.toml
	@scripts/lock

.PHONY: vendor
vendor: setup-dev ## Fetch the pinned browser libraries into app/static/vendor
	@scripts/vendor
