"""The arguments that the commands on a finished model share."""

import argparse
from pathlib import Path

from newswire.pipeline.analysis.encoder import MODEL_FOLDER


def of_model(description: str | None) -> argparse.ArgumentParser:
    """A parser of `--data`, a folder with the archives and iptc/, and `--model`, the shipped one if none is named."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the archives and iptc/")
    parser.add_argument("--model", type=Path, default=MODEL_FOLDER, help="model folder")
    return parser
