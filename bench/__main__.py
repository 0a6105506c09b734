"""Every benchmark, one after the other: `python -m bench [--out FILE] [--data FOLDER] [--texts FOLDER]`.

Prints a table and appends JSON lines {name, value, unit, against, ratio, goal} to FILE. What needs texts of others (the
bodies of real feeds, news texts, captured feeds, documents with their events) runs when `--data`, `--texts`,
`--captures` and `--stories` name them. Nothing here fails on a slow machine: figures are ratios, CPU time and memory.
"""

import argparse
import subprocess
import sys
from pathlib import Path


def main() -> int:
    """Run the benchmarks; the exit code says whether all of them ran."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("bench-results/figures.jsonl"))
    parser.add_argument("--data", type=Path, help="a folder of real feed bodies")
    parser.add_argument("--texts", type=Path, help="a folder of news texts, of which copies are made")
    parser.add_argument("--captures", type=Path, help="a folder of captured feeds, as bench.captures reads it")
    parser.add_argument("--stories", type=Path, help="a file of documents with their events, as bench.stories reads it")
    parser.add_argument("--spacy", default=".venv-bench/bin/python", help="a Python that has spaCy and datasketch")
    options = parser.parse_args()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.unlink(missing_ok=True)
    out = ["--out", str(options.out)]
    runs = [["bench.encoder", "--spacy", options.spacy, *out], ["bench.hops", *out], ["bench.rest", *out]]
    runs += [["bench.polls", *out], ["bench.grouping", *out], ["bench.replay", *out], ["bench.ledger", *out]]
    runs += [
        ["bench.duplicates", "--counterpart", options.spacy, *out],
        ["bench.open_stories", *out],
        ["bench.moments", *out],
    ]
    runs.append(["bench.polling", *out, *([str(options.data)] if options.data else [])])
    if options.texts:
        runs.append(["bench.copies", *out, str(options.texts)])
    if options.captures:
        runs += [[module, *out, str(options.captures)] for module in ("bench.captures", "bench.revisions")]
    if options.stories:
        runs.append(["bench.stories", *out, "--encoder", str(options.stories)])
    failed = [run[0] for run in runs if subprocess.run([sys.executable, "-m", *run], check=False).returncode != 0]
    for name in failed:
        print(f"did not run to its end: {name}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
