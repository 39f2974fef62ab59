"""Training throughput of plain PyTorch on one CUDA device, for comparison with pathscope.

    python benches/gpu_training.py --network preresnet-110 [--mode eager|graph] [--steps 60]

The networks, the batch of 128 and the optimiser are those of benches/training.py.

- eager: float32 as PyTorch computes it by default (convolutions in TF32), NCHW, one call after the
  other, the loss read at every step.
- graph: bfloat16 by autocast, channels-last, the whole step (forward, backward, optimiser) as one
  CUDA graph that is replayed; per replay one copy of the batch. cuDNN picks its fastest algorithms.

The batches are random numbers that lie on the device already: the network alone is measured.
Prints one JSON object a run.
"""

import argparse
import json
import time

import torch
from networks import network
from torch.nn import functional

NETWORKS = {
    "preresnet-20": (20, 1),
    "preresnet-110": (110, 1),
    "multi-resnet-20x4": (20, 4),
    "multi-resnet-30x4": (30, 4),
}


def optimizer_of(model, rate):
    return torch.optim.SGD(
        model.parameters(),
        lr=rate,
        momentum=0.9,
        nesterov=True,
        weight_decay=1e-4,
        foreach=True,
    )


def eager(model, images, labels, steps):
    optimizer = optimizer_of(model, 0.1)

    def step():
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        loss.item()

    return timed(step, steps)


def graph(model, images, labels, steps):
    torch.backends.cudnn.benchmark = True
    model = model.to(memory_format=torch.channels_last)
    images = images.to(memory_format=torch.channels_last)
    static = images.clone(memory_format=torch.preserve_format)
    parameters = list(model.parameters())
    momenta = [torch.zeros_like(parameter) for parameter in parameters]
    rate = torch.tensor(0.1, device=images.device)

    def step():
        for parameter in parameters:
            parameter.grad = None
        with torch.autocast("cuda", torch.bfloat16, cache_enabled=False):
            loss = functional.cross_entropy(model(static), labels)
        loss.backward()
        # torch.optim.SGD(foreach=True) reads a rate that is a tensor on the host, which a
        # recording forbids; this is the same update.
        with torch.no_grad():
            gradients = [parameter.grad for parameter in parameters]
            torch._foreach_add_(gradients, parameters, alpha=1e-4)
            torch._foreach_mul_(momenta, 0.9)
            torch._foreach_add_(momenta, gradients)
            torch._foreach_add_(gradients, momenta, alpha=0.9)
            torch._foreach_mul_(gradients, rate)
            torch._foreach_sub_(parameters, gradients)

    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    recorded = torch.cuda.CUDAGraph()
    with torch.cuda.graph(recorded):
        step()

    def replay():
        static.copy_(images)
        recorded.replay()

    return timed(replay, steps)


def timed(step, steps):
    """Seconds of a step: the fastest of three runs of so many steps."""
    for _ in range(5):
        step()
    best = float("inf")
    for _ in range(3):
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(steps):
            step()
        torch.cuda.synchronize()
        best = min(best, (time.perf_counter() - start) / steps)
    return best


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--network", choices=[*NETWORKS], nargs="+", default=["preresnet-20"]
    )
    parser.add_argument(
        "--mode", choices=["eager", "graph"], nargs="+", default=["graph"]
    )
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=60)
    options = parser.parse_args()
    device = torch.device("cuda")
    images = torch.randn(options.batch, 3, 32, 32, device=device)
    labels = torch.randint(0, 10, (options.batch,), device=device)
    for name in options.network:
        for mode in options.mode:
            torch.manual_seed(1)
            model = network(*NETWORKS[name]).to(device)
            run = {"eager": eager, "graph": graph}[mode]
            seconds = run(model, images, labels, options.steps)
            rate = options.batch / seconds
            line = {
                "network": name,
                "side": f"PyTorch {mode}",
                "images_per_second": round(rate),
            }
            print(json.dumps(line), flush=True)


main()
