#!/usr/bin/env python3
"""Measure the peak memory of every command that takes --memory, and compare it with the promise.

usage: scripts/memory.py [PROGRAM] [MODEL DATA]

The promise is the value of --memory plus 300 MB for the program, libtorch and the data. Exits with 1 if
a command needs more. Without MODEL and DATA: the shipped preresnet20 and its evaluation set.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ALLOWANCE = 300 << 20
LIMITS = {"500M": 500 << 20, "1G": 1 << 30, "2G": 2 << 30}


def commands(model, folder):
    """What is measured, by name."""
    return {
        "eval": ["eval", model],
        "lesion": ["lesion", model, "--each"],
        "lesion linear": ["lesion", model, "--each", "--kind", "linear"],
        "ensemble": ["ensemble", model, "--members", "8"],
        "reorder": ["reorder", model, "--swaps", "3", "--count", "4"],
        "commutators": ["reorder", model, "--commutators"],
        "distances": ["lesion", model, "--distances"],
        "spectrum": ["gradient-spectrum", model, "--batches", "1", "--draws", "2"],
        "spectrum all": [
            "gradient-spectrum", model, "--batches", "1", "--measure", "all", "--draws", "1",
            "--samples", "60",
        ],
        "study": ["study", model, "--budget", "20s", "-o", str(folder / "study")],
    }


def peak(command):
    """Peak resident bytes and seconds of one run, in a process that has no other children."""
    watch = (
        "import resource, subprocess, sys;"
        "code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode;"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss);"
        "sys.exit(code)"
    )
    begin = time.time()
    run = subprocess.run(
        [sys.executable, "-c", watch, *command], capture_output=True, text=True, check=False
    )
    if run.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{run.stderr}")
    return int(run.stdout.split()[-1]) << 10, time.time() - begin


def main():
    arguments = sys.argv[1:]
    program = arguments.pop(0) if arguments else str(ROOT / "target/release/pathscope")
    model, *data = arguments or [str(ROOT / "assets/preresnet20.safetensors")]
    data = ["--data", *data, "--limit", "300"] if data else []
    broken = 0
    print(f"{'command':<16}" + "".join(f"{limit:>22}" for limit in LIMITS))
    for name in commands(model, Path()):
        cells = []
        for limit, allowed in LIMITS.items():
            with tempfile.TemporaryDirectory() as folder:
                command = commands(model, Path(folder))[name]
                found, seconds = peak([program, *command, *data, "--memory", limit])
            over = found > allowed + ALLOWANCE
            broken += over
            cells.append(f"{found >> 20:>8} MiB {seconds:>5.0f} s{' !' if over else '  '}")
        print(f"{name:<16}" + "".join(f"{cell:>22}" for cell in cells), flush=True)
    print(f"allowed: --memory plus {ALLOWANCE >> 20} MiB; {broken} of the runs need more (!)")
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
