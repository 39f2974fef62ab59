"""Times a lesion sweep in two processes of one thread against one process of one thread.

    cargo build --release --features mpi
    python3 benches/mpi_sweep.py [RUNS] [-- MODEL --data PLACE ...]

The two are run in turn, so that whatever else the machine does meets both alike. Prints the ratio
of every pair, their median, and the ratio of the fastest runs; the records must be the same.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
PROGRAM = PROJECT / "target" / "release" / "pathscope"
LAUNCH = ["mpirun", "--allow-run-as-root", "--oversubscribe", "-n"]


def timed(ranks: int, sweep: list[str], folder: Path) -> tuple[float, bytes]:
    """Seconds of a sweep in so many processes, and its records."""
    record = folder / f"{ranks}.jsonl"
    record.unlink(missing_ok=True)
    command = [*LAUNCH, str(ranks), PROGRAM, "--quiet", "lesion", *sweep]
    command += ["--threads", "1", "--json", record]
    begin = time.perf_counter()
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    return time.perf_counter() - begin, record.read_bytes()


def main() -> None:
    own, _, given = (list(part) for part in partition(sys.argv[1:], "--"))
    runs = int(own[0]) if own else 5
    sweep = given or [str(PROJECT / "assets" / "preresnet20.safetensors"), "--each"]
    pairs = []
    with tempfile.TemporaryDirectory() as folder:
        for run in range(runs):
            one, alone = timed(1, sweep, Path(folder))
            two, together = timed(2, sweep, Path(folder))
            assert alone == together, "the records differ"
            pairs.append((one, two))
            print(f"pair {run}: {one:.2f} s and {two:.2f} s, ratio {one / two:.3f}", flush=True)
    ratios = [one / two for one, two in pairs]
    fastest = min(one for one, _ in pairs) / min(two for _, two in pairs)
    print(f"median ratio {statistics.median(ratios):.3f}, of the fastest runs {fastest:.3f}")


def partition(words: list[str], mark: str) -> tuple[list[str], str, list[str]]:
    """The words before and after the first mark."""
    place = words.index(mark) if mark in words else len(words)
    return words[:place], mark, words[place + 1 :]


if __name__ == "__main__":
    main()
