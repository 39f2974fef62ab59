"""Every single-block deletion of a CIFAR ResNet: pathscope against the plain PyTorch loop and onnxruntime.

    pip install torch==2.11.0 numpy onnx onnxscript onnxruntime
    python benches/lesion_each.py MODEL.th TEST_BATCH.bin [--pairs N] [--runs N] [--onnxruntime]

The PyTorch side is what one would write by hand: eager, NCHW, batches of 128, all modules run
again for each deletion. Both run on the same number of threads, in turn; the pathscope time is
that of the whole process, the PyTorch time that of the loop alone. With --pairs N, a sample of N
block pairs is timed and extrapolated to all of them. With --onnxruntime, the network without the block
is exported once for each deletion; timed is what its session takes for all images alone, without
export and start, in the size of mini-batch that is fastest for the whole network.
"""

import argparse
import itertools
import json
import random
import statistics
import subprocess
import tempfile
import time

import torch
from cifar_resnet import Block, images, load


def errors(model, pixels, labels):
    wrong = 0
    with torch.no_grad():
        for start in range(0, len(labels), 128):
            found = model(pixels[start : start + 128]).argmax(1)
            wrong += (found != labels[start : start + 128]).sum().item()
    return wrong


def session(model, folder, threads):
    """The network as it stands in onnxruntime."""
    import onnxruntime

    file = f"{folder}/model.onnx"
    torch.onnx.export(
        model,
        torch.zeros(2, 3, 32, 32),
        file,
        input_names=["x"],
        dynamic_axes={"x": {0: "n"}},
        dynamo=False,
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def onnxruntime_errors(found, pixels, labels, batch):
    wrong = 0
    for start in range(0, len(labels), batch):
        (logits,) = found.run(None, {"x": pixels[start : start + batch].numpy()})
        wrong += int((logits.argmax(1) != labels[start : start + batch].numpy()).sum())
    return wrong


def seconds(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def onnxruntime_sweep(model, blocks, pixels, labels, threads):
    """Seconds and errors of all single deletions."""
    with tempfile.TemporaryDirectory() as folder:
        whole = session(model, folder, threads)
        onnxruntime_errors(whole, pixels[:256], labels[:256], 64)
        batch = min(
            (16, 32, 64, 128, 256),
            key=lambda batch: seconds(lambda: onnxruntime_errors(whole, pixels, labels, batch)),
        )
        spent, found = 0.0, {}
        for number, block in enumerate(blocks):
            block.deleted = True
            lesioned = session(model, folder, threads)
            block.deleted = False
            start = time.perf_counter()
            found[(number,)] = onnxruntime_errors(lesioned, pixels, labels, batch)
            spent += time.perf_counter() - start
    return spent, found, batch


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("data")
    parser.add_argument("--pairs", type=int, default=0)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--onnxruntime", action="store_true")
    parser.add_argument("--pathscope", default="target/release/pathscope")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model = load(options.model)
    pixels, labels = images(options.data)
    blocks = [module for module in model.modules() if isinstance(module, Block)]
    if options.pairs:
        every = list(itertools.combinations(range(len(blocks)), 2))
        lesions = random.Random(0).sample(every, options.pairs)
        scale, question = (len(every) + len(blocks)) / len(lesions), "--pairs"
    else:
        lesions = [(block,) for block in range(len(blocks))]
        scale, question = 1, "--each"

    ratios, onnx_ratios = [], []
    for run in range(options.runs):
        start = time.perf_counter()
        plain = {}
        for lesion in lesions:
            for block in lesion:
                blocks[block].deleted = True
            plain[lesion] = errors(model, pixels, labels)
            for block in lesion:
                blocks[block].deleted = False
        seconds = (time.perf_counter() - start) * scale
        with tempfile.TemporaryDirectory() as folder:
            journal = f"{folder}/journal.jsonl"
            command = [options.pathscope, "-q", "lesion", options.model, "--data", options.data]
            command += [question, "--threads", str(options.threads), "--json", journal]
            start = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            ours = time.perf_counter() - start
            with open(journal) as lines:
                records = [json.loads(line) for line in lines]
        found = {
            tuple(record["change"]["blocks"]): record["errors"]
            for record in records
            if record["type"] == "outcome" and record["change"]["change"] == "lesion"
        }
        differing = sum(found[lesion] != count for lesion, count in plain.items())
        largest = max(abs(found[lesion] - count) for lesion, count in plain.items())
        ratios.append(seconds / ours)
        print(
            f"run {run}: PyTorch {seconds:.1f} s, pathscope {ours:.1f} s, ratio {ratios[-1]:.2f}; "
            f"{differing} of {len(plain)} counts differ, by at most {largest}",
            flush=True,
        )
        if options.onnxruntime:
            spent, counts, batch = onnxruntime_sweep(model, blocks, pixels, labels, options.threads)
            onnx_ratios.append(spent / ours)
            differing = sum(found[lesion] != count for lesion, count in counts.items())
            print(
                f"run {run}: onnxruntime {spent:.1f} s in mini-batches of {batch}, ratio "
                f"{onnx_ratios[-1]:.2f}; {differing} of {len(counts)} counts differ",
                flush=True,
            )
    print(f"median ratio {statistics.median(ratios):.2f} on {options.threads} threads")
    if onnx_ratios:
        print(f"median ratio to onnxruntime {statistics.median(onnx_ratios):.2f}")


main()
