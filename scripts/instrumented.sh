#!/bin/sh
# A rustc for cargo's RUSTC_WORKSPACE_WRAPPER: compiles the crates of this project, not those that
# they depend on, with the hooks by which libFuzzer sees which code an input reaches.
case " $* " in
  *" --crate-name build_script_"*) exec "$@" ;;
esac
exec "$@" -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
  -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
  -Cllvm-args=-sanitizer-coverage-pc-table -Ccodegen-units=1
