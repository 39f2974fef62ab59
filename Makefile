# Two commands do everything on a fresh machine: `make demo`, then `make test`.

.PHONY: demo test test-mpi check fuzz soak gpu-check libtorch build

demo: build
	target/release/pathscope study assets/preresnet20.safetensors --output runs/demo --budget 1m

test: libtorch
	@bash scripts/test.sh

# Needs an MPI with its headers, and libclang.
test-mpi: libtorch
	cargo clippy --release --workspace --all-targets --locked --features pathscope/mpi -- -D warnings
	cargo test --release --workspace --locked --features pathscope/mpi --test mpi

# Clippy and rustdoc read the same dependency metadata, in the profile of the other commands.
check: libtorch
	cargo fmt --all --check
	@# Modules that macros declare are not found by cargo.
	rustfmt --edition 2024 --check $$(find src -name '*.rs')
	cargo clippy --release --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --release --workspace --no-deps --locked
	@if command -v cargo-deny >/dev/null; then \
	  cargo deny --locked check licenses bans sources; \
	else \
	  echo "check: cargo-deny is not installed, so licences and sources of dependencies were not checked"; \
	fi
	@python=$${PATHSCOPE_PYTHON:-python3}; \
	if $$python -c "import matplotlib, mypy, pandas, ruff, torch" 2>/dev/null; then \
	  $$python -m ruff check python scripts && $$python -m ruff format --check python && $$python -m mypy; \
	else \
	  echo "check: Python lacks ruff, mypy or what the package is typed against, so it was not checked"; \
	fi

# Coverage-guided fuzzing of the readers with libFuzzer, whose hooks the stable compiler sets too; each
# target for FUZZ_SECONDS. What fails stays in fuzz/artifacts, and what reaches new code in fuzz/corpus.
FUZZ_SECONDS ?= 15
FUZZ_TARGETS ?= open_model open_card open_graph read_arrays read_images read_results
PROGRAMS = $${CARGO_TARGET_DIR:-target}/release
fuzz: libtorch
	RUSTC_WORKSPACE_WRAPPER=scripts/instrumented.sh \
	  cargo build --release --locked --package pathscope-fuzz
	python3 scripts/fuzz_seeds.py
	mkdir -p fuzz/artifacts
	set -e; for target in $(FUZZ_TARGETS); do \
	  echo "fuzz: $$target"; \
	  $(PROGRAMS)/$$target -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=2048 \
	    -max_len=200000 -print_final_stats=1 -verbosity=0 -artifact_prefix=fuzz/artifacts/$$target- \
	    fuzz/corpus/$$target; \
	done

# Study, kill, resume, merge and report for SOAK_MINUTES, short of memory and of room.
SOAK_MINUTES ?= 60
soak: build
	scripts/soak.sh $(SOAK_MINUTES) $(PROGRAMS)/pathscope

# Correctness and throughput on a CUDA device, beside plain PyTorch there; see scripts/gpu_check.py.
# GPU_CHECK holds its options, such as --data cifar-10-batches-bin.
gpu-check:
	scripts/gpu.sh $(GPU_CHECK)

build: libtorch
	cargo build --release --locked

libtorch:
	@bash scripts/libtorch.sh
