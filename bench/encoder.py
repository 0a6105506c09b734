"""`newswire enrich` against spaCy's entities alone: articles a second of one core, whole texts covered.

Usage: python -m bench.encoder [--articles N] [--rounds N] [--spacy PYTHON] [--out FILE]. The two take turns,
each on the same core; the figure is the CPU time of the whole process between the tenth output and the last.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil

from bench.articles import write_articles
from bench.figures import Figure, report

WARM_UP = 10
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}


def pinned(command: list[str]) -> subprocess.Popen[bytes]:
    """Start a command on the first of this process's cores."""
    core = min(os.sched_getaffinity(0))
    return subprocess.Popen(
        ["taskset", "-c", str(core), *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | ONE_THREAD,
    )


def enrich_rate(file: Path) -> float:
    """Articles a CPU second of `newswire enrich` over the file."""
    lines = file.read_bytes().splitlines(keepends=True)
    process = pinned([sys.executable, "-m", "newswire", "enrich", "-"])
    assert process.stdin is not None
    assert process.stdout is not None
    began = 0.0
    for number, line in enumerate(lines):
        process.stdin.write(line)
        process.stdin.flush()
        if not process.stdout.readline():
            raise RuntimeError("newswire enrich ended early")
        if number == WARM_UP - 1:
            began = sum(psutil.Process(process.pid).cpu_times()[:2])
    spent = sum(psutil.Process(process.pid).cpu_times()[:2]) - began
    process.stdin.close()
    process.wait()
    return (len(lines) - WARM_UP) / spent


def spacy_rate(python: str, file: Path) -> float:
    """Articles a CPU second of spaCy's entities over the same file."""
    out, _ = pinned([python, str(Path(__file__).with_name("spacy_ner.py")), str(file)]).communicate()
    result = json.loads(out)
    return float(result["articles"] / result["cpu_seconds"])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--articles", type=int, default=110)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--spacy", default=".venv-bench/bin/python")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.rounds):
            file = Path(folder) / "articles.jsonl"
            write_articles(file, options.articles, seed=number + 1)
            ours.append(enrich_rate(file))
            theirs.append(spacy_rate(options.spacy, file))
    rate, other = statistics.median(ours), statistics.median(theirs)
    ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
    report(
        [
            Figure("spaCy en_core_web_sm, entities alone", other, "articles/CPU s"),
            Figure("newswire enrich, everything", rate, "articles/CPU s", "spaCy's entities alone", ratio, ">= 1.0"),
        ],
        options.out,
    )


if __name__ == "__main__":
    main()
