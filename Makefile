# gigactl: the two commands a newcomer needs are `make demo` and `make test`.
# Everything is installed from Debian/Ubuntu packages and into .venv; the lab's part needs root (sudo is used where we are not).

SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
AS_ROOT := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
# root writes no byte code and no caches into the checkout, so that its owner can delete it
ROOT_PYTHON := $(AS_ROOT) env PYTHONDONTWRITEBYTECODE=1 PATH="$(CURDIR)/$(BIN):$$PATH" $(CURDIR)/$(BIN)/python
LAB_DIR ?= /var/tmp/gigactl-demo
PYTEST := $(ROOT_PYTHON) -m pytest -p no:cacheprovider

# what the lab and the tests use, beyond git and make
APT_PACKAGES := python3 python3-venv gcc libc6-dev openssh-server openssh-client sudo util-linux e2fsprogs \
                procps iproute2 systemd systemd-journal-remote xz-utils ca-certificates

.PHONY: help
help: ## show what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

# --- installation ------------------------------------------------------------------------------------------------

.PHONY: packages
packages: ## install the distribution's packages the lab needs (only those that are missing)
	@missing=$$(for package in $(APT_PACKAGES); do \
	    dpkg-query -W -f='$${Status}' $$package 2>/dev/null | grep -q 'install ok installed' || echo $$package; done); \
	[ -z "$$missing" ] && exit 0; \
	echo "installing: $$missing"; \
	had_sshd=$$([ -x /usr/sbin/sshd ] && echo yes); \
	$(AS_ROOT) apt-get update -q && \
	$(AS_ROOT) env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $$missing || exit 1; \
	if [ -z "$$had_sshd" ] && [ -d /run/systemd/system ]; then \
	    echo "openssh-server was not here before: its own service is left switched off"; \
	    $(AS_ROOT) systemctl disable --now ssh.service ssh.socket 2>/dev/null || true; fi

$(VENV)/installed: pyproject.toml constraints.txt | packages
	@python=$$(for candidate in python3 /usr/bin/python3 python3.13 python3.12 python3.11; do \
	    "$$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	    && { echo "$$candidate"; break; }; done); \
	[ -n "$$python" ] || { echo "gigactl needs Python 3.11 or newer with venv" >&2; exit 1; }; \
	"$$python" -m venv --clear $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

.PHONY: install
install: $(VENV)/installed ## packages, and gigactl with its development tools in .venv

# --- the two commands --------------------------------------------------------------------------------------------

.PHONY: demo
demo: install ## bring up a rehearsal fleet of 16 hosts x 8 GPUs with a few faults, and check its health
	@$(AS_ROOT) env LAB_DIR="$(LAB_DIR)" GIGACTL="$(CURDIR)/$(BIN)/gigactl" bash tests/demo.sh

.PHONY: test
test: install ## the quick tests (under 5 minutes on 2 cores)
	$(PYTEST) -n 2 --dist loadgroup

.PHONY: test-all
test-all: install ## every test that needs no GPU, the slow ones too
	$(PYTEST) -n 2 --dist loadgroup -m 'not bench and not gpu'

.PHONY: bench
bench: install ## side by side with the peers that are installed; prints ratios and this machine's noise
	$(ROOT_PYTHON) -m tests.benchmarks

# --- what CI also checks -----------------------------------------------------------------------------------------

.PHONY: lint
lint: install ## ruff: style, sizes, nesting, banned imports; formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.PHONY: types
types: install ## mypy, strict
	$(BIN)/mypy

.PHONY: layers
layers: install ## which room may import which
	$(BIN)/lint-imports

.PHONY: payload
payload: install ## the payload: nothing newer than Python 3.6, and its tests under the oldest interpreter found
	$(BIN)/vermin -q -t=3.6- --violations --exclude typing.TypedDict gigactl/payload
	@bash tests/oldest_python.sh $(CURDIR)/$(BIN)/python

.PHONY: check
check: test lint types layers payload ## everything CI runs

.PHONY: clean
clean: ## remove what was made here (not the packages)
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
