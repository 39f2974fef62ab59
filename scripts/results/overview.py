"""Numbers of docs/src/results/README.md."""

import re

from records import text


def agreement(network):
    """Largest relative difference of a mean from the one in plain PyTorch."""
    return re.search(r"of a mean: (\S+)", text(f"independent/{network}.txt"))[1]
