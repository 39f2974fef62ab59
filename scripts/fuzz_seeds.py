#!/usr/bin/env python3
"""Fill fuzz/corpus with the files of this project that each fuzz target begins from.

Descriptions of networks and graphs are taken out of their files, since the targets put them back.
"""

import json
import struct
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CORPUS = ROOT / "fuzz/corpus"
FIXTURES = ROOT / "tests/fixtures"
# Longer inputs make a fuzzer slow, and say nothing that shorter ones do not.
LONGEST = 200_000


def seeds(target, files):
    """Writes name and bytes of every file below the length."""
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files:
        if len(content) <= LONGEST:
            (folder / f"seed-{name}").write_bytes(content)


def files(*patterns):
    for pattern in patterns:
        for path in sorted(ROOT.glob(pattern)):
            yield "-".join(path.relative_to(ROOT).parts[1:]), path.read_bytes()


def cards():
    for path in sorted((ROOT / "assets").glob("*.safetensors")):
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(length))
        yield path.stem, header["__metadata__"]["pathscope"].encode()


def graphs():
    for path in sorted((FIXTURES / "exported").glob("*.pt2")):
        with zipfile.ZipFile(path) as archive:
            name = next(name for name in archive.namelist() if name.endswith("models/model.json"))
            graph = json.loads(archive.read(name))
        for node in graph["graph_module"]["graph"]["nodes"]:
            node["metadata"] = {}
        yield path.stem, json.dumps(graph, separators=(",", ":")).encode()


def results():
    """Headers with few records, since a fuzzer changes little of a long file."""
    for name, content in files("assets/results/*/*.jsonl", "notebooks-rs/results/*.jsonl"):
        yield name, b"".join(content.splitlines(keepends=True)[:6])


def main():
    models = ("*.pt", "*.pth", "exported/*.pt2", "cases/*.pt", "cases/*.th")
    seeds("open_model", files(*(f"tests/fixtures/{pattern}" for pattern in models)))
    seeds("open_card", cards())
    seeds("open_graph", graphs())
    seeds("read_arrays", files("tests/fixtures/cases/*.npz", "tests/fixtures/tokens/*.npz"))
    endings = ("png", "jpg", "tif*", "webp", "bmp")
    seeds("read_images", files(*(f"tests/fixtures/images/*.{ending}" for ending in endings)))
    seeds("read_results", results())


if __name__ == "__main__":
    main()
