#!/usr/bin/env python3
"""Interrupt long commands at random moments, and check what README promises of Ctrl-C.

usage: scripts/interrupts.py [PROGRAM] [MODEL DATA] [MOMENTS]

SIGINT or SIGTERM at MOMENTS (10) random moments of each command: how long until it ends, by which signal,
and whether it says so in one line. A command with a results file is then repeated until it is done, and
must have measured what one run measures. Exits with 1 where a promise is broken.
"""

import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LONGEST = 1.0
# Commands that take long enough, and are not run to their end first.
LONG = ("train", "study", "bench", "dry run")


def commands(model, data, folder):
    """Arguments and results file of what is interrupted."""
    data = ["--data", data] if data else []
    results = folder / "results.jsonl"
    keep = ["--results", str(results)]
    train = ["train", "--recipe", "preresnet20-fashion", "--data", str(training_data(folder))]
    return {
        "lesion": (["lesion", model, *data, "--each", *keep], results),
        "greedy": (["lesion", model, *data, "--limit", "100", "--greedy", "3"], None),
        "reorder": (["reorder", model, *data, "--limit", "300", *keep], results),
        "ensemble": (["ensemble", model, *data, "--limit", "300", *keep], results),
        "spectrum": (["gradient-spectrum", model, *data, "--batches", "2", *keep], results),
        "sampled": (["gradient-spectrum", model, *data, "--measure", "sampled"], None),
        "study": (["study", model, *data, "--budget", "20s", "-o", str(folder / "study")], None),
        "eval": (["eval", *[model] * 20, *data], None),
        "train": ([*train, "-o", str(folder / "run")], None),
        "dry run": ([*train, "--dry-run"], None),
        "bench": (["bench", "parallel", "--depth", "56", "--functions", "2"], None),
        "inspect": (["inspect", model], None),
    }


def training_data(folder):
    """The shipped test images, under the names of training images as well."""
    place = folder / "images"
    if folder.is_dir() and not place.exists():
        place.mkdir()
        for file in (ROOT / "assets/fashion-mnist-2000").glob("t10k-*"):
            for name in (file.name, file.name.replace("t10k", "train")):
                (place / name).symlink_to(file)
    return place


def measured(results):
    """What a results file holds beside its header, which states the command."""
    records = [json.loads(line) for line in results.read_text().splitlines()]
    return records[1:]


def interrupt(program, arguments, moment, by):
    """Seconds until the end, or None where the command was done before; its exit; its lines."""
    run = subprocess.Popen(
        [program, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    time.sleep(moment)
    if run.poll() is not None:
        run.communicate()
        return None, run.returncode, []
    run.send_signal(by)
    begin = time.monotonic()
    _, error = run.communicate()
    lines = [line for line in error.splitlines() if line.startswith("error: ")]
    return time.monotonic() - begin, run.returncode, lines


def main():
    # A shell's background job ignores it, and so would a command that is interrupted while it loads.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    arguments = sys.argv[1:]
    program = arguments.pop(0) if arguments else str(ROOT / "target/release/pathscope")
    moments = int(arguments.pop()) if len(arguments) % 2 else 10
    model, data = arguments or (str(ROOT / "assets/preresnet20.safetensors"), None)
    draw = random.Random(0)
    broken = 0
    for name in commands(model, data, Path("nowhere")):
        longest, met, faults = 0.0, 0, []
        with tempfile.TemporaryDirectory() as place:
            whole = Path(place) / "whole"
            whole.mkdir()
            command, results = commands(model, data, whole)[name]
            length = 20.0
            if name not in LONG:
                begin = time.monotonic()
                subprocess.run([program, "-q", *command], stdout=subprocess.DEVNULL, check=True)
                length = min(max(time.monotonic() - begin, 1.0), length)
            for number in range(moments):
                cut = Path(place) / f"cut{number}"
                cut.mkdir()
                command, kept = commands(model, data, cut)[name]
                by = draw.choice([signal.SIGINT, signal.SIGTERM])
                seconds, code, lines = interrupt(program, command, draw.uniform(0.05, length), by)
                if seconds is None:
                    continue
                met += 1
                longest = max(longest, seconds)
                if code not in (-by, 0) or len(lines) > 1:
                    faults.append(f"ended with {code} and {lines}")
                if kept:
                    subprocess.run([program, "-q", *command], stdout=subprocess.DEVNULL, check=True)
                    if measured(kept) != measured(results):
                        faults.append("the resumed file differs")
        broken += len(faults) + (longest > LONGEST)
        print(f"{name:<10} {met:>3} met, ended within {longest:.2f} s  {'; '.join(faults)}", flush=True)
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
