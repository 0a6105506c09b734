"""The soak: `python -m bench.soak [--minutes 30] [--out FILE] [--plots FOLDER] [--phase NAME]...`

Four phases, each on a service, a broker and a namespace of its own, over a generated wire of 300 feeds: full speed (as
many articles as the encoder does), half of that, 200 articles/s and 20 articles/s with the analysis replaced by a
constant of 1 ms. Prints the figures and appends them to FILE; puts samples (JSON lines) and plots (PNG) into the
folder. The feeds' server and the watching consumer share the machine with the service; the figures say how much CPU
they took, and how much all else that ran beside the soak.

Ends with 1 when a process of the service died or an article is lost; the folder with its log is kept then. Figures that
miss their goal do not fail it.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from bench.figures import Figure, report
from bench.soak.phases import PHASES, Phase
from bench.soak.run import Run, run_phase
from bench.soak.service import SoakFailed
from bench.soak.summary import figures, outcome_rate, percentile

BUCKET = 5.0


def encoder_median() -> float:
    """The encoder's own milliseconds for an article, alone."""
    command = [sys.executable, "-m", "bench.soak.encoder"]
    return float(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


def write_samples(run: Run, file: Path) -> None:
    """Append a phase's samples, and its latencies in buckets of BUCKET seconds, as JSON lines for the plots."""
    with file.open("a") as lines:
        for sample in run.samples:
            lines.write(json.dumps({"phase": run.phase.name, **asdict(sample)}) + "\n")
        buckets: dict[int, list[float]] = {}
        for one in run.latencies:
            buckets.setdefault(int(max(0.0, one.at) // BUCKET), []).append(one.milliseconds)
        for number, taken in sorted(buckets.items()):
            row = {"phase": run.phase.name, "at": BUCKET * number, "articles": len(taken)}
            row |= {f"p{share}": percentile(taken, share) for share in (50, 99)}
            lines.write(json.dumps(row) + "\n")


async def soak(
    phases: list[Phase], minutes: float, full: float | None, out: Path | None, plots: Path, folder: Path
) -> None:
    """Run the phases and report each when it has ended. Raises SoakFailed.

    `full` (articles a second) stands for full speed where its phase does not run.
    """
    encoder_ms = await asyncio.to_thread(encoder_median)
    full = full or 1000 / encoder_ms
    report([Figure("encoder alone, an article", encoder_ms, "ms")], out)
    for phase in phases:
        state = folder / phase.name
        state.mkdir()
        run = await run_phase(phase, phase.rate or phase.of_full * full, 60 * minutes * phase.share, state)
        if phase.name == "full":
            full = outcome_rate(run)
        write_samples(run, plots / "samples.jsonl")
        report(figures(run, encoder_ms), out)


def main() -> int:
    """Run, report and plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0, help="of all phases; starts and ends come on top")
    parser.add_argument("--phase", action="append", choices=[phase.name for phase in PHASES], help="only this one")
    parser.add_argument("--full", type=float, help="articles a second at full speed, where its phase does not run")
    parser.add_argument("--out", type=Path, default=Path("bench-results/soak.jsonl"))
    parser.add_argument("--plots", type=Path, default=Path("bench-results/soak"))
    parser.add_argument("--plotter", default=".venv-bench/bin/python", help="a Python that has matplotlib")
    options = parser.parse_args()
    phases = [phase for phase in PHASES if not options.phase or phase.name in options.phase]
    options.plots.mkdir(parents=True, exist_ok=True)
    for old in (options.out, options.plots / "samples.jsonl"):
        old.unlink(missing_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="newswire-soak-"))
    try:
        asyncio.run(soak(phases, options.minutes, options.full, options.out, options.plots, folder))
    except SoakFailed as error:
        print(f"FAILED: {error}", file=sys.stderr)
        return 1
    finally:
        plotted = subprocess.run(
            [options.plotter, str(Path(__file__).with_name("plot.py")), str(options.plots)], check=False
        )
    folder.rmdir()
    return plotted.returncode


if __name__ == "__main__":
    sys.exit(main())
