# Everything is made from here. Two commands do all the set-up on a machine with
# Rust, Python 3.11 or later with venv, and a C compiler:
#
#     make demo     the main job on real data, with a picture at the end
#     make test     all tests
#
# They make a virtual environment in .venv and take what they need from the
# package registries.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
WHEELS := target/wheels
COMPARE := benches/compare/target/release/arraylog-compare
DAMAGE := benches/compare/target/release/arraylog-damage
# The extension is built for the Python that will load it.
export PYO3_PYTHON := $(CURDIR)/$(BIN)/python

.PHONY: torture torture-crash torture-mutants torture-faults torture-kills torture-damage torture-fuzz torture-model torture-processes torture-memory fuzz
.PHONY: torture-arrays torture-arrays-rust torture-arrays-python torture-truncations torture-bits bench-damage bench-arrays
.PHONY: help demo soak audit coverage check-platforms test test-rust test-python check fmt bench bench-index bench-growth wheel sdist clean

help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST)

## make demo     the main job on real observations and model fields; leaves .demo/demo.png
demo: wheel $(VENV)/demo.stamp
	$(BIN)/python tools/demo/demo.py --out .demo

## make test     Rust tests, doctests, examples and Python tests
test: test-rust test-python

test-rust:
	cargo test

## make soak     ten minutes of a writer, readers and a follower
soak:
	ARRAYLOG_SOAK_SECONDS=600 cargo test --release -p arraylog-tests --test soak -- --nocapture

## make torture  the long runs, one after the other: crashes, broken rules, faults, kills,
##               damage, mutated inputs, sequences of operations, processes, little memory, arrays;
##               each is a target of its own, and takes SEED=, MINUTES= (at most, 60) and THREADS= (2)
torture: torture-crash torture-mutants torture-faults torture-kills torture-damage torture-fuzz torture-model torture-processes torture-memory torture-arrays

TORTURE := SEED=$(SEED) MINUTES=$(MINUTES) THREADS=$(THREADS) nice -n 19 cargo test --release

## make torture-crash    5,000,000 crashes of every three operations
torture-crash:
	$(TORTURE) -p arraylog --lib -- --ignored --nocapture five_million_crashes

## make torture-mutants  each rule of the protocol broken, and the first crash that shows it
torture-mutants:
	$(TORTURE) -p arraylog --lib -- --ignored --nocapture each_broken_rule

## make torture-faults   20,000 calls that fail
torture-faults:
	$(TORTURE) -p arraylog --lib -- --ignored --nocapture twenty_thousand_failed_calls

## make torture-kills    2,000 writers killed
torture-kills:
	ARRAYLOG_TEST_SEED=$(SEED) $(TORTURE) -p arraylog-tests --test kills -- --ignored --nocapture

## make torture-damage   the next two, one after the other
torture-damage: torture-truncations torture-bits

## make torture-truncations   every length of three stores, and of stores that SEED makes;
##               FROM= where the run before stopped
torture-truncations:
	FROM=$(FROM) $(TORTURE) -p arraylog-tests --test damage torture_every_length -- --ignored --nocapture

## make torture-bits     every bit of three stores; FROM= where the run before stopped
torture-bits:
	FROM=$(FROM) $(TORTURE) -p arraylog-tests --test damage torture_every_bit -- --ignored --nocapture

## make torture-model    100,000 sequences of 100 operations against plain collections
torture-model:
	$(TORTURE) -p arraylog-tests --test sequences torture -- --ignored --nocapture

## make torture-processes 1,000,000 batches beside eight reader processes
torture-processes:
	$(TORTURE) -p arraylog-tests --test crowd torture -- --ignored --nocapture

GIB ?= 4

## make torture-memory   a store of GIB= (4) that is read, scanned and compacted with 64 MiB of
##                       memory, pages of files among it where a control group may be had
torture-memory:
	GIB=$(GIB) $(TORTURE) -p arraylog-tests --test memory torture -- --ignored --nocapture

## make torture-arrays   the next two, one after the other
torture-arrays: torture-arrays-rust torture-arrays-python

## make torture-arrays-rust   20,000 cases of each dtype, codec and layout: parts of arrays that
##               are read, and changes, against arrays in memory
torture-arrays-rust:
	$(TORTURE) -p arraylog-tests --test arrays torture -- --ignored --nocapture

## make torture-arrays-python   as many cases of each kind of dtype, codec and layout: any index,
##               against NumPy
torture-arrays-python: wheel $(VENV)/test.stamp
	SEED=$(SEED) MINUTES=$(MINUTES) ARRAYLOG_TEST_CASES=20000 nice -n 19 $(BIN)/python -m pytest -s tests/python/test_families.py

## make torture-fuzz     mutated inputs for every fuzz target, on stable Rust
torture-fuzz:
	$(TORTURE) -p arraylog-tests --test fuzz torture -- --ignored --nocapture

FUZZ_TARGETS := open repair index recovery record entry attrs codec ndjson operations
SECONDS_EACH ?= 60

## make fuzz     the fuzz targets under libFuzzer and the address sanitizer; needs nightly Rust and cargo-fuzz
fuzz:
	for target in $(FUZZ_TARGETS); do \
	    cargo +nightly fuzz run $$target --fuzz-dir tests/fuzz -- -max_total_time=$(SECONDS_EACH) -rss_limit_mb=2048 || exit 1; \
	done

## make coverage lines of format, log and opening that the tests run; needs llvm-tools; about 20 minutes
coverage:
	rustup component add llvm-tools
	$(PYTHON) tools/coverage.py

PLATFORMS := aarch64-unknown-linux-gnu aarch64-apple-darwin x86_64-pc-windows-gnu

## make check-platforms   the engine and the command line compiled, not run, for other systems
check-platforms:
	@for target in $(PLATFORMS); do \
	    if rustup target add $$target >/dev/null 2>&1; then \
	        cargo check --quiet --target $$target -p arraylog -p arraylog-cli || exit 1; \
	        echo "$$target: compiles"; \
	    else \
	        echo "$$target: could NOT be had, and was not compiled"; \
	    fi; \
	done

AUDIT := target/tools/bin/cargo-deny

## make audit    known weaknesses, withdrawn versions and sources of the dependencies
audit: $(AUDIT)
	$(AUDIT) check bans sources
	@if $(AUDIT) fetch db; then \
	    echo "The advisory database was reached."; $(AUDIT) check --disable-fetch advisories; \
	else \
	    echo "The advisory database could NOT be reached: known weaknesses were not looked for."; exit 1; \
	fi

$(AUDIT):
	cargo install --locked --quiet --root target/tools cargo-deny

test-python: wheel $(VENV)/test.stamp
	$(BIN)/python -m pytest tests/python

## make check    format, lints, types and documentation, without warnings
check: $(VENV)/test.stamp
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo clippy -p arraylog --all-targets --no-default-features -- -D warnings
	cargo clippy -p arraylog --all-targets --all-features -- -D warnings
	cd benches/compare && cargo fmt --check
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --exclude arraylog-python
	$(BIN)/python -m mypy --config-file py/pyproject.toml py/python/arraylog tests/python/typed_sample.py

## make bench    writing and reading beside their peers; about 25 minutes, on a quiet machine
bench: wheel $(VENV)/bench.stamp $(COMPARE)
	$(COMPARE) --python $(BIN)/python

## make bench-index   what the index in the file is for, beside the peers; about 20 minutes
bench-index: $(COMPARE)
	$(COMPARE) --suite index --json target/bench-index.json

## make bench-growth  stores of 10^4 to 10^8 keys; 14 GB of disk, 16 GiB of memory, about 20 minutes
bench-growth: $(COMPARE)
	$(COMPARE) --suite growth --json target/bench-growth.json

## make bench-damage  one byte changed at a time in our files and those of peers; about 15 minutes
bench-damage: $(VENV)/damage.stamp $(COMPARE)
	$(DAMAGE) --flips $(FLIPS) --seed $(or $(SEED),1) --python $(BIN)/python

FLIPS ?= 3000

## make bench-arrays  arrays whole, in chunks and in parts, small fields and short series, beside
##               their peers; about 10 minutes; REPETITIONS= (7), ENTRIES= of small fields (100000)
bench-arrays: wheel $(VENV)/arrays.stamp $(COMPARE)
	$(COMPARE) --suite arrays --json target/bench-arrays.json --repetitions $(or $(REPETITIONS),7) $(ENTRIES:%=--entries %)
	$(BIN)/python benches/compare/python/arrays.py --repetitions $(or $(REPETITIONS),7) $(ENTRIES:%=--entries %)

# Cargo knows whether there is anything to do.
.PHONY: $(COMPARE)
$(COMPARE):
	cd benches/compare && cargo build --release

## make wheel    the Python package, built and installed into .venv
wheel: $(VENV)/stamp
	rm -rf $(WHEELS)
	$(BIN)/maturin build --release --quiet --manifest-path py/Cargo.toml --interpreter $(BIN)/python --out $(WHEELS)
	$(PIP) install --force-reinstall --no-deps $(WHEELS)/*.whl

## make sdist    the source package, built, and installed into a new environment
sdist: $(VENV)/stamp
	rm -rf target/sdist target/sdist-venv
	$(BIN)/maturin sdist --manifest-path py/Cargo.toml --out target/sdist
	$(BIN)/python -m venv target/sdist-venv
	target/sdist-venv/bin/python -m pip --disable-pip-version-check --quiet install target/sdist/*.tar.gz
	cd target && sdist-venv/bin/python -c "import arraylog; print(arraylog.__version__, 'installed from source')"

fmt:
	cargo fmt --all

clean:
	rm -rf target benches/compare/target .venv .demo

$(VENV)/stamp:
	$(PYTHON) -c "import sys; v = sys.version_info; sys.exit(None if v >= (3, 11) else f'Python 3.11 or later is needed, {sys.executable} is {v.major}.{v.minor}; set PYTHON=')"
	$(PYTHON) -m venv $(VENV)
	# The build backend, and what the package itself needs.
	$(PIP) install "maturin>=1.14,<2" "numpy>=2.0"
	touch $@

$(VENV)/test.stamp: tests/python/requirements.txt $(VENV)/stamp
	$(PIP) install -r tests/python/requirements.txt
	touch $@

$(VENV)/demo.stamp: tools/demo/requirements.txt $(VENV)/stamp
	$(PIP) install -r tools/demo/requirements.txt
	touch $@

$(VENV)/bench.stamp: benches/compare/python/requirements.txt $(VENV)/stamp
	$(PIP) install -r benches/compare/python/requirements.txt
	touch $@

$(VENV)/arrays.stamp: benches/compare/python/requirements-arrays.txt $(VENV)/stamp
	$(PIP) install -r benches/compare/python/requirements-arrays.txt
	touch $@

$(VENV)/damage.stamp: benches/compare/python/requirements-damage.txt $(VENV)/stamp
	$(PIP) install -r benches/compare/python/requirements-damage.txt
	touch $@
