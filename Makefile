# Two commands do everything on a fresh machine: `make demo`, then `make test`.

.PHONY: demo test test-mpi check libtorch build

demo: build
	target/release/pathscope study assets/preresnet20.safetensors --output runs/demo --budget 1m

test: libtorch
	cargo test --release --workspace --locked

# Needs an MPI with its headers, and libclang.
test-mpi: libtorch
	cargo clippy --release --workspace --all-targets --locked --features pathscope/mpi -- -D warnings
	cargo test --release --workspace --locked --features pathscope/mpi --test mpi

# Clippy and rustdoc read the same dependency metadata, in the profile of the other commands.
check: libtorch
	cargo fmt --all --check
	cargo clippy --release --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --release --workspace --no-deps --locked
	@if command -v cargo-deny >/dev/null; then \
	  cargo deny --locked check licenses bans sources; \
	else \
	  echo "check: cargo-deny is not installed, so licences and sources of dependencies were not checked"; \
	fi

build: libtorch
	cargo build --release --locked

libtorch:
	@bash scripts/libtorch.sh
