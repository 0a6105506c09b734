"""The plots of a soak; runs in the benchmarks' venv: python bench/soak/plot.py FOLDER, which has samples.jsonl.

Writes memory.png, descriptors.png, disk.png and latency.png there: a panel a phase, over its seconds.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt

Rows = list[dict[str, Any]]


def lines_of(rows: Rows, field: str) -> dict[str, list[tuple[float, float]]]:
    """The points of each line: of each key of a field that is an object."""
    lines: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        for name, value in row.get(field, {}).items():
            lines.setdefault(name, []).append((row["at"], value))
    return lines


def latencies_of(rows: Rows) -> dict[str, list[tuple[float, float]]]:
    """The points of p50 and p99."""
    return {name: [(row["at"], row[name]) for row in rows if name in row] for name in ("p50", "p99")}


def plot(
    rows: Rows, file: Path, label: str, of: Callable[[Rows], dict[str, list[tuple[float, float]]]], log: bool
) -> None:
    """Draw the phases one beside the other."""
    names = list(dict.fromkeys(row["phase"] for row in rows))
    figure, panels = plt.subplots(1, len(names), figsize=(5 * len(names), 4.5), squeeze=False)
    for name, panel in zip(names, panels[0], strict=True):
        for line, points in of([row for row in rows if row["phase"] == name]).items():
            panel.plot(*zip(*points, strict=True), label=line) if points else None
        panel.set(title=name, xlabel="s", ylabel=label)
        if log:
            panel.set_yscale("log")
        else:
            panel.set_ylim(bottom=0)
        panel.legend(fontsize="small")
        panel.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(file, dpi=110)
    plt.close(figure)


def main(folder: Path) -> None:
    """Read the samples and draw all of them."""
    rows = [json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()]
    if not rows:
        return
    plot(rows, folder / "memory.png", "MiB resident", lambda r: lines_of(r, "memory"), log=False)
    plot(rows, folder / "descriptors.png", "open descriptors", lambda r: lines_of(r, "descriptors"), log=False)
    plot(rows, folder / "disk.png", "MiB on disk", lambda r: lines_of(r, "disk"), log=False)
    plot(rows, folder / "latency.png", "ms from raw to enriched", latencies_of, log=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
