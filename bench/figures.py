"""How a figure is told: a row of a table for people, a JSON line {name, value, unit, against, ratio} for programs."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Figure:
    """One measured figure. `against` names what `ratio` divides by (null where there is no counterpart)."""

    name: str
    value: float
    unit: str
    against: str | None = None
    ratio: float | None = None
    goal: str | None = None


def report(figures: list[Figure], file: Path | None) -> None:
    """Print the figures as a table, and append them to `file` as JSON lines."""
    for figure in figures:
        ratio = "" if figure.ratio is None else f"  {figure.ratio:.2f} x {figure.against}"
        goal = "" if figure.goal is None else f"  (goal: {figure.goal})"
        print(f"{figure.name:<52} {figure.value:>12,.2f} {figure.unit}{ratio}{goal}", flush=True)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a") as lines:
            for figure in figures:
                lines.write(json.dumps(asdict(figure)) + "\n")
