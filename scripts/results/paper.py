"""Tables of docs/src/results/paper.md: the family of Table II of Abdi & Nahavandi."""

import csv
import functools
import json
import math
import random
import re

from records import (
    COHERENT,
    RESULTS,
    SAMPLED,
    STUDENT,
    Lesions,
    Spectrum,
    Table,
    bits,
    bounds,
    centre,
    dispersion,
    effective_range,
    interval,
    magnitude,
    number,
    read,
    text,
    with_bounds,
)
from restricted import restrictions, trainings  # noqa: F401

FOLDER = "cifar10-family"
DESIGNS = ["24x1", "68x1", "110x1", "56x2", "8x4", "20x4", "30x4"]
# Networks of whose functions each was deleted.
FUNCTIONS_DELETED = [
    "8x4-s1",
    "8x4-s2",
    "20x4-s1",
    "20x4-s2",
    "56x2-s1",
    "56x2-s2",
    "30x4-s1",
    "30x4-s2",
]
# More functions per block, then more blocks, at equal parameters.
PAIRS = [("8x4", "24x1"), ("20x4", "68x1"), ("30x4", "110x1"), ("56x2", "110x1"), ("30x4", "56x2")]


def members():
    """Errors of both seeds, by design."""
    errors, parameters = {}, {}
    with open(RESULTS / FOLDER / "members.csv") as file:
        for row in csv.DictReader(file):
            design = f"{row['depth']}x{row['k']}"
            errors.setdefault(design, []).append(int(row["errors"]) / int(row["examples"]))
            parameters[design] = int(row["parameters"])
    return errors, parameters


def errors():
    """Both seeds of every design."""
    found, parameters = members()
    rows = [
        [design, f"{parameters[design]:,}", *(f"{100 * error:.2f}" for error in found[design])]
        for design in DESIGNS
    ]
    return Table(["design", "parameters", "error %, seed 1", "seed 2"], rows)


@functools.cache
def pairs():
    """Differences at equal parameters, with intervals over images and over seeds apart."""
    found, _ = members()
    rows = []
    for wide, deep in PAIRS:
        a, b = found[wide], found[deep]
        difference = 100 * (sum(a) - sum(b)) / 2
        # Both networks of a design saw the same 10,000 images: unpaired binomials, of which two are
        # averaged, so this is wider than a paired interval would be.
        images = 196 * math.sqrt(sum(p * (1 - p) for p in a + b) / 10_000 / 4)
        spread = ((a[0] - a[1]) ** 2 / 2 + (b[0] - b[1]) ** 2 / 2) / 2
        seeds = 100 * STUDENT[2] * math.sqrt(spread)
        rows.append(
            [
                f"{wide} less {deep}",
                f"{difference:+.2f}",
                f"{difference - images:+.2f} to {difference + images:+.2f}",
                f"{difference - seeds:+.2f} to {difference + seeds:+.2f}",
            ]
        )
    return Table(["pair", "points", "interval over images", "interval over seeds (2 and 2)"], rows)


def difference(pair):
    """A row of `pairs` in words."""
    points, images, seeds = pairs().rows[[row[0] for row in pairs().rows].index(pair)][1:]
    return f"{points} points; images {images}, seeds {seeds}"


@functools.cache
def spectra():
    return {
        (design, seed): Spectrum(f"{FOLDER}/spectrum-{design}-s{seed}.jsonl")
        for design in DESIGNS
        for seed in (1, 2)
    }


def rho(spectrum):
    """Decay per function as `pathscope effective-range` fits it, with its interval over mini-batches."""
    with open(RESULTS / FOLDER / "ranges.json") as file:
        found = json.load(file)["ranges"]
    # Networks of one design have one name there: the centre says which is which.
    mid = centre(magnitude(spectrum.images, COHERENT))
    fit = min(found, key=lambda network: abs(network["centre"] - mid))
    assert (fit["n"], fit["k"]) == (spectrum.blocks, spectrum.functions), spectrum.name
    return fit["rho"], fit["rho_lower"], fit["rho_upper"]


def local_decay(spectrum):
    """Mean decay per function over the lower and over the upper half of the effective range.

    Of the mean norm of drawn paths; both with intervals over mini-batches. Equal if it is exponential.
    """
    first, last = effective_range(magnitude(spectrum.images, COHERENT))
    middle = (first + last) // 2

    def decay(images, start, end):
        norms = magnitude(images, SAMPLED)
        ratio = norms[end] / spectrum.paths[end] / (norms[start] / spectrum.paths[start])
        return ratio ** (1 / (end - start))

    cells = []
    for start, end in ((first, middle), (middle, last)):
        value, *ends = spectrum.over_batches(
            lambda images, start=start, end=end: decay(images, start, end)
        )
        cells.append(with_bounds(number, value, *ends))
    return cells


def exact(images):
    return magnitude(images, COHERENT)


def ranges():
    """Effective range and centre of the exact sums."""
    rows = []
    for (design, seed), spectrum in spectra().items():
        first, last = effective_range(exact(spectrum.images))
        ends = [
            interval(spectrum.images, lambda images, end=end: effective_range(exact(images))[end])
            for end in (0, 1)
        ]
        rows.append(
            [
                f"{design}, seed {seed}",
                spectrum.blocks,
                spectrum.functions,
                f"{first} to {last}",
                f"{ends[0][0]}–{ends[0][1]} to {ends[1][0]}–{ends[1][1]}",
                spectrum.with_intervals(lambda images: centre(exact(images))),
                f"{centre(exact(spectrum.images)) / spectrum.blocks:.2f}",
                with_bounds(number, *rho(spectrum)),
                *local_decay(spectrum),
            ]
        )
    return Table(
        [
            "network",
            "n",
            "k",
            "range",
            "ends, over images",
            "centre (images; mini-batches)",
            "centre / n",
            "rho (mini-batches)",
            "lower half of the range",
            "upper half",
        ],
        rows,
    )


@functools.cache
def cut():
    """Spectra that stop before the longest path, by length: shares of the exact sums, and of the estimate."""
    shares = []
    for spectrum in spectra().values():
        values = [magnitude(spectrum.images, measure) for measure in (COHERENT, SAMPLED)]
        if len(values[0]) <= spectrum.blocks:
            shares.append([[norm / sum(norms) for norm in norms] for norms in values])
    return shares


def last_share(measure):
    """Largest share of the last length that was measured."""
    place = ("exact", "estimate").index(measure)
    return number(max(network[place][-1] for network in cut()))


def last_fall():
    """By what an exact sum at least falls from one length to the next, over the last four."""
    falls = [a / b for exact, _ in cut() for a, b in zip(exact[-5:], exact[-4:])]
    return f"{min(falls):.1f}"


def solve(matrix, right):
    """Gaussian elimination of a small system with several right-hand sides."""
    rows = [list(row) + list(more) for row, more in zip(matrix, right)]
    size = len(rows)
    for column in range(size):
        pivot = max(range(column, size), key=lambda row: abs(rows[row][column]))
        rows[column], rows[pivot] = rows[pivot], rows[column]
        rows[column] = [value / rows[column][column] for value in rows[column]]
        for row in range(size):
            if row != column:
                factor = rows[row][column]
                rows[row] = [a - factor * b for a, b in zip(rows[row], rows[column])]
    return [row[size:] for row in rows]


def growth():
    """Exponents of n and k in a joint power law over the seven designs, the two seeds averaged."""
    found = spectra()
    quantities = {"width of the range": [], "centre": [], "rho": []}
    design_rows = []
    for design in DESIGNS:
        both = [found[design, seed] for seed in (1, 2)]
        values = [magnitude(spectrum.images, COHERENT) for spectrum in both]
        ends = [effective_range(value) for value in values]
        means = [
            sum(last - first + 1 for first, last in ends) / 2,
            sum(map(centre, values)) / 2,
            math.sqrt(math.prod(rho(spectrum)[0] for spectrum in both)),
        ]
        for name, value in zip(quantities, means):
            quantities[name].append(math.log(value))
        design_rows.append([1.0, math.log(both[0].blocks), math.log(both[0].functions)])
    normal = [[sum(row[i] * row[j] for row in design_rows) for j in range(3)] for i in range(3)]
    inverse = solve(normal, [[float(i == j) for j in range(3)] for i in range(3)])
    freedom = len(DESIGNS) - 3
    rows = []
    for name, response in quantities.items():
        moments = [
            sum(row[i] * value for row, value in zip(design_rows, response)) for i in range(3)
        ]
        fit = [sum(inverse[i][j] * moments[j] for j in range(3)) for i in range(3)]
        residual = sum(
            (value - sum(a * b for a, b in zip(fit, row))) ** 2
            for row, value in zip(design_rows, response)
        )
        cells = []
        for place in (1, 2):
            error = STUDENT[freedom] * math.sqrt(residual / freedom * inverse[place][place])
            cells.append(f"{fit[place]:.2f} ({fit[place] - error:.2f} to {fit[place] + error:.2f})")
        rows.append([name, *cells, f"{100 * math.sqrt(residual / freedom):.0f} %"])
    return Table(["quantity", "exponent of n", "exponent of k", "scatter"], rows)


def spread(images, blocks):
    """Variance of the length over that of the binomial law with the same mean."""
    return dispersion(exact(images), blocks)


def off(images, blocks):
    """Distance from the binomial law with the same mean, in percent."""
    measured = exact(images)
    share = centre(measured) / blocks
    law = {
        length: math.comb(blocks, length) * share**length * (1 - share) ** (blocks - length)
        for length in range(len(measured))
    }
    return 100 * distance(dict(enumerate(measured)), law)


@functools.cache
def law():
    """The measured lengths beside the binomial law of the same mean."""
    rows = []
    for (design, seed), spectrum in spectra().items():
        blocks, k = spectrum.blocks, spectrum.functions
        by_rho = [blocks * k * decay / (1 + k * decay) for decay in rho(spectrum)]
        rows.append(
            [
                f"{design}, seed {seed}",
                spectrum.with_intervals(functools.partial(spread, blocks=blocks)),
                spectrum.with_intervals(functools.partial(off, blocks=blocks)),
                spectrum.with_intervals(lambda images: centre(exact(images))),
                with_bounds("{:.2f}".format, *by_rho),
                f"{blocks * k / (k + 1):.1f}",
            ]
        )
    return Table(
        [
            "network",
            "variance / binomial (images; mini-batches)",
            "distance to it, % (images; mini-batches)",
            "centre (images; mini-batches)",
            "centre by rho (mini-batches)",
            "centre of all paths",
        ],
        rows,
    )


def paths(design):
    """Number of paths of the gradient."""
    n, k = (getattr(spectra()[design, 1], name) for name in ("blocks", "functions"))
    power = f"{k + 1}^{n}"
    return power if k == 1 else f"{power} = 2^{n * math.log2(k + 1):.1f}"


def centre_too_high():
    """By how much a constant rho puts the centre too high where there are 14 blocks or more."""
    table = law()
    deep = ("30x4", "56x2", "68x1", "110x1")
    columns = (table.numbers(name, *deep) for name in ("centre by rho", "centre (images"))
    excess = [float(by_rho) - float(measured) for by_rho, measured in zip(*columns)]
    return f"{min(excess):.1f} to {max(excess):.1f}"


def chi_square_tail(value, freedom):
    """Chance of at least `value` for 1 or 3 degrees of freedom."""
    tail = math.erfc(math.sqrt(value / 2))
    if freedom == 3:
        tail += math.sqrt(2 * value / math.pi) * math.exp(-value / 2)
    return tail


def cochran(columns):
    """Cochran's Q over k deletions of the same images: p-value of equal errors."""
    k = len(columns)
    totals = [sum(column) for column in columns]
    by_image = [sum(image) for image in zip(*columns)]
    spread = k * sum(by_image) - sum(count**2 for count in by_image)
    if spread == 0:
        return 1.0
    mean = sum(totals) / k
    return chi_square_tail(
        k * (k - 1) * sum((total - mean) ** 2 for total in totals) / spread, k - 1
    )


def cost(row):
    return f"{row['difference']:+.1f} ({row['lower']:+.1f} to {row['upper']:+.1f})"


def functions():
    """Deletions of single functions, block by block, with the test that they are alike."""
    rows = []
    for network in FUNCTIONS_DELETED:
        header, records = read(f"{FOLDER}/functions-{network}.jsonl")
        blocks = header["model"]["blocks"]
        by_block = {}
        for record in records:
            match = re.fullmatch(r"lesion (\d+)\.(\d+)", record["key"])
            if match:
                by_block.setdefault(int(match[1]), []).append(record)
        values = {block: cochran(list(map(bits, lesions))) for block, lesions in by_block.items()}
        # Holm's correction over the blocks of a network.
        ordered, corrected, worst = sorted(values, key=values.get), {}, 0.0
        for place, block in enumerate(ordered):
            worst = max(worst, min(1.0, (len(ordered) - place) * values[block]))
            corrected[block] = worst
        costs = {}
        for row in Lesions(f"{FOLDER}/functions-{network}.txt").rows:
            costs.setdefault(int(row["block"].split(".")[0]), []).append(row)
        for rows_of_block in costs.values():
            rows_of_block.sort(key=lambda row: row["difference"])
        wide = max(
            costs, key=lambda block: costs[block][-1]["difference"] - costs[block][0]["difference"]
        )
        ends = sorted(row["difference"] for of_block in costs.values() for row in of_block)
        differ = [block for block in sorted(corrected) if corrected[block] < 0.05]
        rows.append(
            [
                network,
                f"{len(differ)} of {len(blocks)}",
                ", ".join(map(str, differ)) or "none",
                f"{wide}: {'; '.join(map(cost, costs[wide]))}",
                f"{ends[0]:+.1f} to {ends[-1]:+.1f}",
            ]
        )
    return Table(
        [
            "network",
            "blocks whose functions differ",
            "which",
            "widest block: cost of each function, points (images)",
            "cost of all functions, points",
        ],
        rows,
    )


def correlations():
    """Cosines between the outputs of the functions of one block."""
    by_network = {}
    with open(RESULTS / FOLDER / "correlations.jsonl") as lines:
        for line in lines:
            record = json.loads(line)
            by_network.setdefault(record["network"], []).append(record)
    rows = []
    for network, blocks in by_network.items():
        cells = []
        for name in ("cosine", "centred"):
            images = list(zip(*(block[name] for block in blocks)))
            whole = lambda some: sum(map(sum, some)) / sum(map(len, some))
            cells.append(f"{whole(images):.3f} ({bounds(*interval(images, whole))})")
            means = [sum(block[name]) / len(block[name]) for block in blocks]
            cells.append(f"{min(means):.2f} to {max(means):.2f}")
        rows.append([network, *cells])
    return Table(
        [
            "network",
            "cosine (images)",
            "of single blocks",
            "about the mean (images)",
            "of single blocks",
        ],
        rows,
    )


@functools.cache
def types():
    """The gradient by type of path (how often it takes the first, second, ... function) at each length."""
    rows = []
    for network in ("8x4-s1", "8x4-s2"):
        _, records = read(f"{FOLDER}/types-{network}.jsonl")
        # Norm by type, image by image: each mini-batch holds one.
        images = [
            {tuple(kind["counts"]): kind["norm"] for kind in record["graded"]} for record in records
        ]
        assert all(record["examples"] == 1 for record in records), network
        for length in range(1, 1 + max(map(sum, images[0]))):
            paths = {
                counts: math.factorial(length) / math.prod(map(math.factorial, counts))
                for counts in images[0]
                if sum(counts) == length
            }

            # Paths of a type that all point one way, or none: norms grow as their number, or its root.
            def away(some, power, paths=paths):
                law = {counts: number**power for counts, number in paths.items()}
                return 100 * distance(norms(some, paths), law)

            def use(some, function, paths=paths, length=length):
                found = norms(some, paths)
                taken = sum(counts[function] * norm for counts, norm in found.items())
                return 100 * taken / length / sum(found.values())

            rows.append(
                [
                    network,
                    length,
                    len(paths),
                    *(percent(images, functools.partial(away, power=power)) for power in (1, 0.5)),
                    ", ".join(
                        percent(images, functools.partial(use, function=function))
                        for function in range(len(next(iter(paths))))
                    ),
                ]
            )
    return Table(
        [
            "network",
            "length",
            "types",
            "distance to the multinomial law (images)",
            "to its root (images)",
            "share of the functions 0 to 3 (images)",
        ],
        rows,
    )


def norms(images, types):
    """Mean over images of the norm of each type."""
    return {counts: sum(image[counts] for image in images) / len(images) for counts in types}


def percent(images, statistic):
    """A statistic in percent with its interval over images, in words."""
    low, high = interval(images, statistic)
    return f"{statistic(images):.0f} % ({low:.0f} to {high:.0f})"


def multinomial_distance():
    return largest_distance("distance to the multinomial law")


def root_distance():
    return largest_distance("to its root")


def largest_distance(column):
    return f"{max(map(int, types().numbers(column)))} %"


def distance(some, law):
    """Half the summed difference of the shares of two families of numbers with the same keys."""
    total, whole = sum(some.values()), sum(law.values())
    return sum(abs(some[key] / total - law[key] / whole) for key in some) / 2


def crossing(differences):
    """Depth of the wide network from which its error is below that of the deep one, by interpolation."""
    depths = (8, 20, 30)
    if differences[0] <= 0:
        return depths[0]
    for place in (1, 2):
        before, after = differences[place - 1], differences[place]
        if after <= 0:
            return depths[place - 1] + (depths[place] - depths[place - 1]) * before / (
                before - after
            )
    return math.inf


@functools.cache
def threshold():
    """The crossing of k = 4 and k = 1 with intervals over images and over seeds, by simulation."""
    found, _ = members()
    sides = [(found[wide], found[deep]) for wide, deep in PAIRS[:3]]
    means = [(sum(a) - sum(b)) / 2 for a, b in sides]
    draw = random.Random(0)
    images, seeds = [], []
    for _ in range(10_000):
        over_images, over_seeds = [], []
        for (a, b), mean in zip(sides, means):
            variance = sum(p * (1 - p) for p in a + b) / 10_000 / 4
            over_images.append(mean + draw.gauss(0, math.sqrt(variance)))
            spread = ((a[0] - a[1]) ** 2 + (b[0] - b[1]) ** 2) / 4
            # Student's t with 2 degrees of freedom: half a chi-square of 2 is exponential.
            student = draw.gauss(0, 1) / math.sqrt(draw.expovariate(1))
            over_seeds.append(mean + math.sqrt(spread) * student)
        images.append(crossing(over_images))
        seeds.append(crossing(over_seeds))

    def ends(values):
        values.sort()
        low, high = values[250], values[9_749]
        return f"{low:.1f} to {'beyond 30' if math.isinf(high) else f'{high:.1f}'}"

    return Table(
        [
            "threshold n0, layers of the wide network",
            "interval over images",
            "interval over seeds (2 and 2)",
        ],
        [[f"{crossing(means):.1f}", ends(images), ends(seeds)]],
    )


def layers(column="threshold"):
    return threshold().cell(threshold().rows[0][0], column)


def deep_threshold():
    """The crossing that `pathscope threshold` prints, on the depth of the deep network."""
    return re.search(r"From n0 = ([\d.]+) layers on", text(f"{FOLDER}/threshold.txt"))[1]
