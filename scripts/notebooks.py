"""Runs the Python notebooks and writes their outputs into them.

    python scripts/notebooks.py [NOTEBOOK...]

Needs torch, torchvision, transformers, pandas, matplotlib, nbclient and ipykernel, and the program
(PATHSCOPE_BIN, or target/release/pathscope). The notebooks name files from the root of the repository.
"""

import os
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent


def execute(file: Path) -> None:
    """Runs the cells of one notebook in order, and keeps what they show."""
    book = nbformat.read(file, 4)
    NotebookClient(book, timeout=1800, resources={"metadata": {"path": str(ROOT)}}).execute()
    for cell in book.cells:
        cell.metadata.clear()
        if cell.cell_type == "code":
            # Progress and warnings differ from run to run.
            cell.outputs = [each for each in cell.outputs if each.get("name") != "stderr"]
    book.metadata = nbformat.NotebookNode(
        kernelspec={"name": "python3", "display_name": "Python 3", "language": "python"}
    )
    nbformat.write(book, file)
    print(f"{file.name}: {file.stat().st_size / 1e3:.0f} kB")


def main() -> None:
    """Runs the notebooks that are named, or all."""
    paths = [str(ROOT / "python"), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    named = [Path(name) for name in sys.argv[1:]]
    for file in named or sorted((ROOT / "python" / "notebooks").glob("*.ipynb")):
        execute(file)


if __name__ == "__main__":
    main()
