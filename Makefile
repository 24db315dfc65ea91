# On a fresh machine with Python 3.11, `make demo` and `make test` set everything up. `verify` never writes; `fix` does.
# Variables: PYTHON (the interpreter), VENV (the environment's folder), FILE and PURE (for demo), COUNT and SEED
# (for fresh), ARGS (for quick, test, test-all, bench, bench-durable, bench-etcd and fresh), TARGET and TIME (for fuzz).

VENV ?= .venv
PYTHON ?=
FILE ?=
PURE ?=
ARGS ?=
PY := $(abspath $(VENV))/bin/python
BIN := $(abspath $(VENV))/bin
INSTALL = PYTHON="$(PYTHON)" sh tools/venv.sh $(VENV)
BUILD = $(PY) -W ignore setup.py -q build_ext --inplace
SAY_BUILD = $(PY) -c 'import raftcy; print(f"raftcy {raftcy.__version__}: {raftcy.BUILD} build")'
# The folder beside the checkout, as an absolute path for runs inside a copy of it.
export RAFTCY_SHARED ?= $(abspath ../shared)

.PHONY: help build quick test test-all tla demo bench bench-full bench-durable bench-etcd instructions lint verify fix proto parity catalogue fresh annotate clean coverage asan wheels wheels-check smoke fuzz valgrind mutants etcd-suite

help:
	@echo "make build      compile the extensions in place (without a compiler raftcy stays pure Python)"
	@echo "make quick      the unit tests on the pure build, without compiling: under a minute"
	@echo "make test       the suite on both builds, a few minutes; ARGS='-k name' selects"
	@echo "make test-all   the tests that make test leaves out: long ones, and ones that need Go, Rust or Java"
	@echo "make demo       a durable cluster replicates a file and is killed on the way; FILE=path chooses the file"
	@echo "                PURE=1 runs it at once on the pure build, without installing or compiling anything"
	@echo "make bench      the benchmark: both builds, both loops and every peer that builds here, in turns"
	@echo "make bench-full longer runs, and costs by size; writes results, plots, and the tables in the documents"
	@echo "make bench-durable three processes with logs on disk, ours and the peers'; ARGS='--publish' writes docs/durable.md"
	@echo "make bench-etcd  the etcd server beside etcd 3.4 and 3.7; ARGS='--publish' writes docs/etcd-speed.md"
	@echo "make instructions  instructions per operation, compared with the kept counts; needs valgrind"
	@echo "make tla        check traces against etcd's TLA+ specification; skipped without Java, Go or Maven"
	@echo "make lint       style, types, generated files"
	@echo "make verify     every check that only reads: make lint, and the tests of the source itself"
	@echo "make fix        format, sort imports, and fix what ruff can fix"
	@echo "make proto      generate raftcy/wire/raft_pb2.py from proto/raft.proto"
	@echo "make parity     generate tests/parity.md from the docstrings of the tests"
	@echo "make catalogue  generate tests/catalogue.md from the docstrings of the tests"
	@echo "make fresh      run new random scripts from the Go oracle on both builds; COUNT of each kind, SEED"
	@echo "make annotate   write Cython's HTML reports into build/cython"
	@echo "make coverage   measure the core's branch coverage, on the pure build"
	@echo "make asan       the suite on a build with address and undefined-behaviour checks"
	@echo "make valgrind   codec, groups and hostile input under valgrind, which must be installed"
	@echo "make fuzz       every fuzz target for TIME=600 seconds, coverage-guided; TARGET=name runs only one"
	@echo "make wheels     build the compiled and the pure wheel and the sdist, in dist"
	@echo "make wheels-check  build all products twice, compare, repair, install and run them; PYTHONS='python3.12 ...'"
	@echo "make smoke      install in every way into fresh environments; PYTHONS='python3.12 ...' chooses interpreters"
	@echo "make mutants    every deliberate fault in a copy of its own; make test-all makes a sixth of them"
	@echo "make etcd-suite  real clients, Patroni and etcd's own test suite against the etcd server, in full"
	@echo "make clean      remove everything that the other commands made, except $(VENV)"

build:
	@$(INSTALL) run
	@$(BUILD)
	@$(SAY_BUILD)

# The tiers, which tests/conftest.py defines. A pass without any test (pytest's status 5) is not an error in most places,
# because ARGS may name only tests of another pass.
PYTEST = $(PY) -m pytest -q -rs
SPREAD = -n auto --maxprocesses 8 --dist worksteal
AT_ONCE = -n auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder
# A folder without tests that are alone. To collect it takes a while.
SKIP_UNIT = --ignore=tests/unit
define BOTH_BUILDS
@$(INSTALL) test
@$(BUILD)
@$(SAY_BUILD)
@if [ "$$($(PY) -c 'import raftcy; print(raftcy.BUILD)')" = compiled ]; then \
	{ $(PYTEST) $(1) $(ARGS) || [ $$? -eq $(or $(3),0) ]; } && echo "and now on the pure build" && \
	{ RAFTCY_PURE_PYTHON=1 $(PYTEST) $(2) $(ARGS) || [ $$? -eq 5 ]; }; \
else \
	echo "there is no compiled build here, so the suite runs on the pure build alone"; \
	$(PYTEST) $(1) $(ARGS) || [ $$? -eq $(or $(3),0) ]; \
fi
endef

quick:
	@$(INSTALL) test
	@RAFTCY_PURE_PYTHON=1 $(PYTEST) $(SPREAD) -m "not full and not twins" tests/unit $(ARGS)

test:
	$(call BOTH_BUILDS,$(SPREAD) -m "not full",$(SPREAD) -m "not full and not once and not both")

# Then, one by one, those that measure time or memory, or use every core themselves.
test-all:
	$(call BOTH_BUILDS,$(AT_ONCE) -m "full and not alone",$(AT_ONCE) -m "full and not once and not both and not alone",5)
	$(call BOTH_BUILDS,$(SKIP_UNIT) -m "full and alone",$(SKIP_UNIT) -m "full and alone and not once and not both",5)

# Nothing but setuptools and Cython is installed for the compiled build, and nothing at all for the pure one. If nothing
# is compiled yet, it is optimized less than by `make build`, so that the first record comes sooner.
DEMO = FILE='$(subst ','\'',$(FILE))'; $(1) -m raftcy demo $${FILE:+"$$FILE"}
demo:
ifeq ($(filter-out 0,$(PURE)),)
	@$(INSTALL) build
	@RAFTCY_HURRY=1 $(BUILD)
	@$(call DEMO,$(PY))
else
	@echo "PURE=$(PURE): the pure build runs, 25 to 50 times slower; nothing is installed or compiled"
	@PYTHON="$(PYTHON)"; PYTHON=$$(PYTHON="$$PYTHON" sh tools/venv.sh --find) && export RAFTCY_PURE_PYTHON=1 && $(call DEMO,"$$PYTHON")
endif

tla: build
	@$(PY) -m tools.tla $(ARGS)

bench:
	@$(INSTALL) bench
	@$(BUILD)
	@$(PY) -m bench.report $(ARGS)

bench-full:
	@$(INSTALL) bench
	@$(BUILD)
	@$(PY) -m bench.report --full $(ARGS)

bench-durable:
	@$(INSTALL) bench
	@$(BUILD)
	@$(PY) -m bench.durable $(ARGS)

bench-etcd:
	@$(INSTALL) test
	@$(BUILD)
	@$(PY) -m bench.etcd $(ARGS)

instructions:
	@$(INSTALL) bench
	@$(BUILD)
	@$(PY) -m bench.instructions --check $(ARGS)

lint:
	@$(INSTALL) lint
	@$(BUILD)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PATH="$(BIN):$$PATH" $(BIN)/cython-lint raftcy
	$(BIN)/mypy
	PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright --pythonpath $(PY)
	$(PY) tools/check_types.py
	$(PY) tools/gen_proto.py --check

verify: lint
	$(PYTEST) $(SPREAD) -m "not full" tests/meta

fix:
	@$(INSTALL) lint
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

proto:
	@$(INSTALL) proto
	$(PY) tools/gen_proto.py

parity:
	@$(INSTALL) run
	$(PY) -m tools.parity

catalogue:
	@$(INSTALL) run
	$(PY) -m tools.catalogue

fresh: build
	@$(PY) tools/fresh_scripts.py $(if $(SEED),--seed $(SEED)) $(if $(COUNT),--count $(COUNT)) $(ARGS)

annotate:
	@$(INSTALL) run
	@RAFTCY_ANNOTATE=1 $(BUILD)
	@find build/cython -name '*.html'

clean:
	rm -rf build dist *.egg-info .coverage htmlcov .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find raftcy tests tools bench -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
	find raftcy \( -name '*.so' -o -name '*.pyd' \) -exec rm -f {} +

coverage:
	@$(INSTALL) cover
	RAFTCY_PURE_PYTHON=1 $(PY) -m coverage run -m pytest -q -m "not once" $(ARGS)
	$(PY) -m coverage report --include='raftcy/core/*' --fail-under=95

# In a copy, because extensions built this way cannot be loaded without the preloaded checker.
asan:
	@$(INSTALL) test
	rm -rf build/asan && mkdir -p build/asan
	tar -cf - --exclude='./build' --exclude='./.git' --exclude='./.venv*' --exclude='*.so' . | tar -xf - -C build/asan
	cd build/asan && RAFTCY_REQUIRE_EXT=1 RAFTCY_SANITIZE=address,undefined $(BUILD)
	cd build/asan && LD_PRELOAD="$$($(CC) -print-file-name=libasan.so) $$($(CC) -print-file-name=libstdc++.so.6)" \
		ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 PYTHONMALLOC=malloc \
		RAFTCY_REQUIRE_EXT=1 $(PY) -m pytest -q -m "not once or fuzz" $(ARGS)

fuzz: TIME ?= 600
fuzz:
	@$(INSTALL) fuzz
	@$(BUILD)
	@$(PY) -m tests.random.fuzz run $(TARGET) --seconds $(TIME)

mutants:
	@$(INSTALL) test
	@$(BUILD)
	@RAFTCY_MUTANTS=all $(PY) -m pytest -q -rs tests/random/mutants $(ARGS)

etcd-suite:
	@$(INSTALL) test
	@$(BUILD)
	@RAFTCY_ETCD_SUITE=long $(PY) -m pytest -q -rs tests/system/etcd $(ARGS)

valgrind:
	@$(INSTALL) test
	@$(BUILD)
	@sh tools/valgrind.sh $(PY)

wheels:
	@$(INSTALL) wheels
	RAFTCY_REQUIRE_EXT=1 $(PY) -m build --outdir dist
	$(PY) -m build --wheel --config-setting=pure-python=true --outdir dist

wheels-check:
	@$(INSTALL) wheels
	@$(PY) -m tools.wheels_check $(or $(PYTHONS),$(PY))

smoke:
	@$(INSTALL) wheels
	@sh tools/smoke.sh $(PY) $(or $(PYTHONS),$(PY))
