"""What can be replayed: captured feed bodies, WARC files, raw articles as JSON lines, another namespace's raw topic."""

from pathlib import Path

from newswire.pipeline.replay.folder import MANIFEST, CaptureFolder, open_folder
from newswire.pipeline.replay.linefile import LineFile, open_file
from newswire.pipeline.replay.rawtopic import RawTopic
from newswire.pipeline.replay.selection import Selection
from newswire.pipeline.replay.warc import holds_warc, open_warc
from newswire.pipeline.settings import TextSettings

Source = CaptureFolder | LineFile | RawTopic


def open_source(path: Path, selection: Selection, text: TextSettings) -> CaptureFolder | LineFile:
    """The source at a path: a folder with manifest.jsonl (or that file), WARC files, else JSON lines (gzip by ending).

    Raises SourceError, in one line, when it is none of them.
    """
    if not (path / MANIFEST).exists() and holds_warc(path):
        return open_warc(path, selection.wants, str(selection))
    if path.is_dir() or path.name == MANIFEST:
        return open_folder(path if path.is_dir() else path.parent, selection)
    return open_file(path, selection, text)
