"""Checks pathscope on a CUDA device and measures its training beside plain PyTorch.

Called by scripts/gpu.sh. Correctness: single deletions count the same errors on the CPU and on the
device (within 1), the gradients of all path lengths add up to the ordinary gradient (below 1e-4),
and an interrupted training continues. Throughput: images a second of whole epochs with
augmentation, in float32 and bf16, beside PyTorch eager and PyTorch with the whole step as one CUDA
graph. Results are printed as they come and written to RESULTS/gpu.jsonl; one table ends the run.
Every part has its own time limit, and one that fails does not end the others.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
DEVICE = "cuda:0"
NETWORKS = {
    "preresnet-20": "preresnet20-cifar10",
    "preresnet-110": "preresnet110-cifar10",
    "multi-resnet-30x4": "multi-resnet30x4-cifar10",
}


def lines_of(file):
    return [json.loads(line) for line in pathlib.Path(file).read_text().splitlines()]


class Check:
    def __init__(self, options):
        self.options = options
        self.results = pathlib.Path(options.results)
        self.results.mkdir(parents=True, exist_ok=True)
        self.lines = []
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="gpu-check-"))
        self.start = time.monotonic()

    def note(self, **line):
        line["at"] = round(time.monotonic() - self.start, 1)
        self.lines.append(line)
        print(json.dumps(line), flush=True)
        with open(self.results / "gpu.jsonl", "a") as file:
            file.write(json.dumps(line) + "\n")

    def part(self, name, work):
        """Runs one part; what goes wrong in it is noted."""
        try:
            work()
        except subprocess.TimeoutExpired as fault:
            self.note(part=name, failed=f"took more than {fault.timeout} s")
        except Exception as fault:  # noqa: BLE001
            self.note(part=name, failed=f"{type(fault).__name__}: {fault}"[:2000])

    def pathscope(self, *arguments, timeout):
        command = [self.options.program, *map(str, arguments)]
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=timeout
        )
        if done.returncode != 0:
            what = (done.stderr or done.stdout)[-1500:]
            raise RuntimeError(
                f"{' '.join(command)} ended with {done.returncode}: {what}"
            )
        return done

    def errors(self, model, device, extra):
        """Errors of every single deletion, and the seconds that the command took."""
        records = (
            self.work / f"{pathlib.Path(model).stem}-{device.replace(':', '')}.jsonl"
        )
        start = time.monotonic()
        arguments = ["--each", "--device", device, "--json", records, *extra]
        self.pathscope("-q", "lesion", model, *arguments, timeout=90)
        seconds = time.monotonic() - start
        lines = lines_of(records)
        outcomes = [line for line in lines if line["type"] == "outcome"]
        return {line["key"]: line["errors"] for line in outcomes}, seconds

    def deletions(self, model, extra=()):
        there, seconds = self.errors(model, DEVICE, extra)
        here, _ = self.errors(model, "cpu", extra)
        furthest = max(abs(there[key] - here[key]) for key in here)
        self.note(
            part="deletions",
            model=pathlib.Path(model).name,
            deletions=len(here),
            equal=sum(there[key] == here[key] for key in here),
            furthest=furthest,
            seconds=round(seconds, 2),
            passed=there.keys() == here.keys() and furthest <= 1,
        )

    def sum_check(self, model):
        arguments = [
            "--measure",
            "coherent",
            "--batches",
            1,
            "--examples",
            8,
            "--device",
            DEVICE,
        ]
        done = self.pathscope("gradient-spectrum", model, *arguments, timeout=60)
        said = done.stdout + done.stderr
        found = re.search(r"ordinary gradient by ([0-9.e-]+)", said)
        difference = float(found.group(1))
        name = pathlib.Path(model).name
        self.note(
            part="sum", model=name, difference=difference, passed=difference < 1e-4
        )

    def train(self, *arguments, timeout, run=None, data=None):
        """The epochs of a training, from its log."""
        run = run or self.work / f"run-{len(os.listdir(self.work))}"
        data = ["--data", data or self.options.data]
        done = self.pathscope(
            "train", *data, "-o", run, "--device", DEVICE, *arguments, timeout=timeout
        )
        for line in done.stderr.splitlines():
            if "not recorded" in line:
                self.note(part="remark", said=line)
        lines = lines_of(run / "log.jsonl")
        return [line for line in lines if line["record"] == "epoch"]

    def resumes(self):
        """A training that is interrupted after its first checkpoint continues on the device."""
        run = self.work / "resumed"
        command = [
            self.options.program,
            "-q",
            "train",
            "--recipe",
            "preresnet20-cifar10",
        ]
        command += [
            "--data",
            self.options.data,
            "-o",
            run,
            "--device",
            DEVICE,
            "--limit",
            "8064",
        ]
        command += [
            "--epochs",
            "40",
            "--precision",
            "bf16",
            "--checkpoint-batches",
            "50",
        ]
        child = subprocess.Popen(
            list(map(str, command)), stderr=subprocess.PIPE, text=True
        )
        until = time.monotonic() + 60
        log = run / "log.jsonl"
        while time.monotonic() < until and child.poll() is None:
            if log.exists() and log.read_text().count('"epoch"') >= 3:
                break
            time.sleep(0.05)
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=30)
        before = log.read_text().count('"record":"epoch"')
        epochs = self.train("--resume", timeout=60, run=run)
        losses = [epoch["loss"] for epoch in epochs]
        passed = child.returncode == 130 and 0 < before < 40 and len(losses) == 40
        self.note(
            part="resume",
            interrupted_after=before,
            epochs=len(losses),
            first_loss=losses[0],
            last_loss=losses[-1],
            passed=passed and losses[-1] < losses[0],
            **({} if passed else {"said": said[-500:]}),
        )

    def throughput(self, network, precision, changes=(), title=None):
        arguments = ["--recipe", NETWORKS[network], "--precision", precision, *changes]
        arguments += ["--limit", self.options.images, "--epochs", self.options.rounds]
        epochs = self.train(*arguments, timeout=80)
        # The first epoch holds the warm-up and the recording.
        rate = statistics.median(epoch["images_per_second"] for epoch in epochs[1:])
        self.note(
            part="throughput",
            network=title or network,
            side=f"pathscope {precision}",
            images_per_second=round(rate),
            loss=epochs[-1]["loss"],
        )

    def pytorch(self, network, mode):
        script = ROOT / "benches" / "gpu_training.py"
        command = [sys.executable, script, "--network", network, "--mode", mode]
        steps = "20" if mode == "eager" else "100"
        command += ["--steps", steps]
        done = subprocess.run(
            list(map(str, command)),
            check=False,
            capture_output=True,
            text=True,
            timeout=70,
        )
        if done.returncode != 0:
            raise RuntimeError(done.stderr[-1500:])
        for line in done.stdout.splitlines():
            self.note(part="throughput", **json.loads(line))

    def family(self, recipes, epochs):
        """A short training of each network, one after the other."""
        for recipe in recipes:
            run = self.results / "family" / recipe
            start = time.monotonic()
            records = self.train(
                "--recipe",
                recipe,
                "--precision",
                "bf16",
                "--epochs",
                epochs,
                timeout=200,
                run=run,
                data=self.options.family_data,
            )
            result = lines_of(run / "log.jsonl")[-1]
            (run / "checkpoint.safetensors").unlink(missing_ok=True)
            self.note(
                part="family",
                recipe=recipe,
                epochs=len(records),
                loss=records[-1]["loss"],
                test=result.get("test"),
                seconds=round(time.monotonic() - start, 1),
            )

    def table(self):
        rates = [line for line in self.lines if line.get("part") == "throughput"]
        sides = [
            "pathscope float32",
            "pathscope bf16",
            "PyTorch eager",
            "PyTorch graph",
        ]
        networks = list(
            dict.fromkeys(line["network"] for line in rates if "network" in line)
        )
        rows = [["network", *sides]]
        for network in networks:
            found = {
                line["side"]: str(line["images_per_second"])
                for line in rates
                if line.get("network") == network
            }
            rows.append([network, *(found.get(side, "-") for side in sides)])
        widths = [
            max(len(row[column]) for row in rows) for column in range(len(rows[0]))
        ]
        for row in rows:
            print(
                "  ".join(
                    cell.rjust(width) for cell, width in zip(row, widths, strict=True)
                )
            )
        checks = [line for line in self.lines if "passed" in line]
        failed = [
            line
            for line in self.lines
            if "failed" in line or line.get("passed") is False
        ]
        print(f"{len(checks)} checks, {len(failed)} failed")
        for line in failed:
            print(json.dumps(line))
        with open(self.results / "gpu.json", "w") as file:
            json.dump(self.lines, file, indent=1)
        return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", required=True)
    parser.add_argument(
        "--data", help="CIFAR-10, in any form that `pathscope train` reads"
    )
    parser.add_argument("--resnet56", help="checkpoint of ResNet-56 for CIFAR-10")
    parser.add_argument("--test", help="CIFAR-10 test images for it")
    parser.add_argument(
        "--images", type=int, default=8064, help="training examples an epoch"
    )
    parser.add_argument("--rounds", type=int, default=8, help="epochs of a measurement")
    parser.add_argument(
        "--family-data", help="what they are trained on, where not --data"
    )
    parser.add_argument(
        "--family", nargs="*", default=[], help="recipes to train in the end"
    )
    parser.add_argument("--epochs", type=int, default=6, help="epochs of --family")
    parser.add_argument("--results", default=os.environ.get("OUT", "gpu-check"))
    options = parser.parse_args()
    check = Check(options)
    device = "import torch; print(torch.cuda.get_device_name(), torch.__version__)"
    named = subprocess.run(
        [sys.executable, "-c", device], check=False, capture_output=True, text=True
    )
    check.note(part="device", name=named.stdout.strip())
    assets = ROOT / "assets"
    if options.data:
        check.part("throughput", lambda: check.throughput("preresnet-20", "bf16"))
        check.part("throughput", lambda: check.throughput("multi-resnet-30x4", "bf16"))
        check.part("throughput", lambda: check.throughput("preresnet-110", "bf16"))
        restricted = ["--effective-paths", "23"]
        title = "preresnet-110, 23 of 54"
        check.part(
            "throughput",
            lambda: check.throughput("preresnet-110", "bf16", restricted, title),
        )
    for network in NETWORKS:
        check.part(
            "throughput", lambda network=network: check.pytorch(network, "graph")
        )
    check.part("deletions", lambda: check.deletions(assets / "preresnet20.safetensors"))
    check.part("sum", lambda: check.sum_check(assets / "preresnet20.safetensors"))
    if options.resnet56:
        extra = ["--data", options.test, "--normalize", "imagenet"]
        check.part("deletions", lambda: check.deletions(options.resnet56, extra))
    if options.data:
        check.part("resume", check.resumes)
        for network in NETWORKS:
            check.part(
                "throughput",
                lambda network=network: check.throughput(network, "float32"),
            )
        check.part(
            "throughput",
            lambda: check.throughput("preresnet-110", "float32", restricted, title),
        )
    for network in NETWORKS:
        check.part(
            "throughput", lambda network=network: check.pytorch(network, "eager")
        )
    if options.family:
        check.part("family", lambda: check.family(options.family, options.epochs))
    shutil.rmtree(check.work, ignore_errors=True)
    sys.exit(check.table())


main()
