"""The options of each command, by the names of the command line (`--drop-block` is `drop_block`).

Each class is a group of options; its text is part of the help of the functions that take them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict, TypeVar, cast

if TYPE_CHECKING:
    import torch

Model: TypeAlias = "torch.nn.Module | str | os.PathLike[str]"
Place: TypeAlias = "str | os.PathLike[str]"
Block: TypeAlias = "int | str"
Blocks: TypeAlias = "Block | Sequence[Block]"
Function = TypeVar("Function", bound=Callable[..., Any])


class ModelOptions(TypedDict, total=False):
    """How the model is read:

    normalize    normalisation of the inputs if the model states none: "imagenet", "cifar10",
                 "cifar100", "mnist", "fashion-mnist", "half" or "none"
    prefix       prefix of the network's tensors, where a file holds several networks
    weights      entry of the checkpoint that holds the tensors, such as "state_dict_ema"
    assume       facts that the file does not state, such as {"groups": 16, "pool": True}
    granularity  blocks of an exported network: "sublayer" (attention and perceptron are blocks of
                 their own) or "layer" [default: "sublayer"]
    strict       fail where the images disagree with the statistics that the network stores
    """

    normalize: str
    prefix: str
    weights: str
    assume: str | Sequence[str] | Mapping[str, object]
    granularity: str
    strict: bool


class DataOptions(TypedDict, total=False):
    """Which examples are used:

    limit          number of examples, the first ones [default: all]
    train_split    use the training split instead of the test split
    resize, crop   sides to which images of a folder are scaled and cut, in pixels
    interpolation  "bilinear" or "bicubic"
    class_order    order of class folders that are named by numbers: "number" or "name"
    skip_broken    leave out image files that cannot be read
    max_pixels     largest image that is decoded, in pixels
    """

    limit: int
    train_split: bool
    resize: int
    crop: int
    interpolation: str
    class_order: str
    skip_broken: bool
    max_pixels: int


class ComputeOptions(TypedDict, total=False):
    """How it is computed (none of these changes the results):

    device   "cpu", or "cuda:N" with a libtorch that has CUDA
    threads  number of threads [default: one per core]
    memory   memory for activations, such as "500M" [default: "1G"]
    batch    examples per micro-batch [default: chosen from memory and the cache]
    quiet    neither progress nor notes
    verbose  notes on how files were read as well
    """

    device: str
    threads: int
    memory: str
    batch: int
    quiet: bool
    verbose: bool


class RecordOptions(TypedDict, total=False):
    """What is kept in files (all of it is in the result as well):

    results  results file (JSON Lines); the same call with the same file resumes an interrupted run
    shard    part of the sweep to measure, such as "3/8"
    plot     plot file (.svg or .png)
    force    replace output files that exist
    seed     seed of random choices [default: 0]
    """

    results: Place
    shard: str
    plot: Place
    force: bool
    seed: int


class RowOptions(TypedDict, total=False):
    """Which rows and columns the table has:

    sort     "effect" (largest increase of the error first), "block", or a column
    top      number of rows, by `sort` or else by effect [default: all]
    columns  columns, by name [default: all]
    """

    sort: str
    top: int
    columns: str | Sequence[str]


class InspectOptions(ModelOptions, DataOptions, RowOptions, ComputeOptions, total=False):
    """What else to do:

    audit  compare the statistics that the network stores with those of the images
    """

    audit: bool


class LesionOptions(
    ModelOptions, DataOptions, RowOptions, RecordOptions, ComputeOptions, total=False
):
    """What is disabled (without any of these: each block in turn):

    drop_block  blocks or functions to delete together: 17, "layer2.3", "3-5", [4, "17.2"]
    each        each block in turn
    functions   each function in turn
    pairs       each pair of blocks
    span        so many consecutive blocks, at each position in turn
    distances   measure the angle between the activations at each pair of depths instead
    keep        blocks to keep; all others are deleted
    random      largest size of random sets of blocks, from 1
    count       random sets per size [default: 10]
    greedy      number of blocks to delete one after another, each time the least harmful one
    until       increase of the error, in points, at which `greedy` ends

    How it is disabled and judged:

    kind            "delete", "mean", "resample", "noise", "linear" or "skip" [default: "delete"]
    bn              batch-norm statistics: "frozen" or "recalibrate" [default: "frozen"]
    calibration     data set for means, noise and statistics [default: the examples themselves]
    random_weights  replace the weights by random ones first (a control)
    margin          increase of the error up to which a block counts as removable [default: 1 point]
    screen          measure each block only until its verdict at the margin is settled
    stop_at         width of the interval of a difference, in points, at which measuring stops
    scores          also compute cheap scores of each block
    latency         also measure how long each block takes for one example
    by_class        also give the errors of each class
    export          file (.safetensors) for the smaller network; see also pathscope.prune
    """

    drop_block: Blocks
    each: bool
    functions: bool
    pairs: bool
    span: int
    distances: bool
    keep: Blocks
    random: int
    count: int
    greedy: int | bool
    until: float | str
    kind: str
    bn: str
    calibration: Place
    random_weights: bool
    margin: float | str
    screen: bool
    stop_at: float | str
    scores: bool
    latency: bool
    by_class: bool
    export: Place


class ReorderOptions(
    ModelOptions, DataOptions, RowOptions, RecordOptions, ComputeOptions, total=False
):
    """Which orders (without any of these: random swaps):

    swaps        largest number of swaps of random pairs, from 1
    adjacent     swap only neighbours of equal shape
    rotate       positions by which blocks of equal shape are rotated (True: each in turn)
    reverse      reverse the blocks of equal shape
    tau          values of Kendall's tau at which orders are drawn
    count        draws per number of swaps and per tau [default: 10]
    commutators  measure ||f_i f_j x - f_j f_i x|| for each pair of blocks of equal shape
    """

    swaps: int
    adjacent: bool
    rotate: int | bool
    reverse: bool
    tau: float | Sequence[float]
    count: int
    commutators: bool


class ShapeOptions(TypedDict, total=False):
    """A network by its shape, instead of a model:

    depth   layers by the usual count (2 n + 2 for n basic blocks, 3 n + 2 for bottlenecks)
    blocks  number of blocks, instead of the depth
    k       functions per block [default: 1]
    terms   what the functions of a block take: "ways" (its input), "poly" or "mpoly" (the output of
            the one before) [default: "ways"]
    factors what multiplies skips and functions: "one", "learned", "skip-init", "swapout" or
            "hyper-connections" [default: "one"]
    arch    "preresnet", "resnet", "preresnet-bottleneck", "resnet-bottleneck", "highway" or
            "fractal"
    width   channels of the stem and of the first stage
    """

    depth: int
    blocks: int
    k: int
    terms: str
    factors: str
    arch: str
    width: int


class SpectrumOptions(
    ShapeOptions, ModelOptions, DataOptions, RecordOptions, ComputeOptions, total=False
):
    """What is measured, and how precisely:

    measure       "coherent", "energy", "sampled" or "all" [default: coherent and energy]
    at            where the gradient is taken: "input" or "stem"
    logit         logit whose gradient is taken instead of that of the loss: a class, or "max"
    max_length    longest paths to measure, in blocks [default: all]
    draws         draws of random signs for the path energy [default: 4]
    samples       paths drawn per length for the sampled estimate [default: 100]
    batches       number of mini-batches [default: 4]
    examples      examples per mini-batch [default: 16]
    budget        time after which no further mini-batch is begun: seconds, or such as "10m"
    by_stage      count the functions of a path in each stage
    by_function   count the first, second and further functions of blocks
    sample_paths  record the sampled paths with their gradient norms (needs `results`)
    share         share of the gradient that the effective range holds [default: 0.95]
    float64       compute in 64 bits
    checkpoints   pattern of model files to measure instead, such as "run/*.safetensors"
    """

    measure: str | Sequence[str]
    at: str
    logit: int | str
    max_length: int
    draws: int
    samples: int
    batches: int
    examples: int
    budget: float | str
    by_stage: bool
    by_function: bool
    sample_paths: bool
    share: float
    float64: bool
    checkpoints: str


class StudyOptions(ModelOptions, DataOptions, ComputeOptions, total=False):
    """What is done and kept:

    budget  time to aim for: seconds, or such as "10m" [default: 2 minutes]
    output  folder for results files and report [default: none is kept]
    force   replace output files that exist
    seed    seed of random choices [default: 0]
    """

    budget: float | str
    output: Place
    force: bool
    seed: int


class DiffOptions(TypedDict, total=False):
    """How they are compared:

    fail_if  conditions such as "effective_range.shift > 2"; those that hold are in `.met`
    share    share of the gradient that an effective range holds [default: 0.95]
    quiet    no notes
    verbose  notes on how files were read as well
    """

    fail_if: str | Sequence[str]
    share: float
    quiet: bool
    verbose: bool


class MultiplicityOptions(ShapeOptions, total=False):
    """What is counted:

    functions   number of functions in each block, if they differ
    model       model to count instead, in memory or a file
    drop_block  blocks or functions to delete first
    between     path lengths whose share of all paths is printed, such as (5, 17)
    compare     networks to compare, as depth x functions per block: ["110x1", "30x4"]
    full        give every length, not only those that hold nearly all paths
    plot        plot file (.svg or .png)
    force       replace output files that exist
    quiet       no notes
    verbose     notes on how files were read as well
    """

    functions: Sequence[int]
    model: Model
    drop_block: Blocks
    between: tuple[int, int] | str
    compare: str | Sequence[str]
    full: bool
    plot: Place
    force: bool
    quiet: bool
    verbose: bool


def describe(*groups: type) -> Callable[[Function], Function]:
    """Puts the texts of option groups into the help of a function, where it says `OPTIONS`."""

    def put(function: Function) -> Function:
        texts = [(group.__doc__ or "").strip() for group in groups]
        function.__doc__ = (function.__doc__ or "").replace("OPTIONS", "\n\n    ".join(texts))
        return function

    return put


def names(options: type) -> list[str]:
    """The names of all options in a class of this module, in its order."""
    return list(cast("dict[str, object]", options.__annotations__))
