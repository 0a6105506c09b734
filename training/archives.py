"""The data folder's archives, unpacked."""

import tarfile
from pathlib import Path

_ARCHIVES = ("ner", "topics", "topics-iptc", "replay-rssarch", "stories")


def unpack(data: Path, work: Path) -> Path:
    """Unpack the archives of `data` once, into work/data; returns it (with ner/, topics_train/, stories/ and so on)."""
    folder = work / "data"
    if not folder.is_dir():
        partial = work / "data.part"
        for name in _ARCHIVES:
            with tarfile.open(data / f"{name}.tar.xz") as archive:
                archive.extractall(partial, filter="data")
        partial.rename(folder)
    return folder
