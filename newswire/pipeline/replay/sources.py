"""What can be replayed: a folder of captured feed bodies, raw articles as JSON lines, another namespace's raw topic."""

from pathlib import Path

from newswire.pipeline.replay.folder import MANIFEST, CaptureFolder, open_folder
from newswire.pipeline.replay.linefile import LineFile, open_file
from newswire.pipeline.replay.rawtopic import RawTopic
from newswire.pipeline.replay.selection import Selection
from newswire.pipeline.settings import TextSettings

Source = CaptureFolder | LineFile | RawTopic


def open_source(path: Path, selection: Selection, text: TextSettings) -> CaptureFolder | LineFile:
    """The source at a path: a folder with manifest.jsonl (or that file), else a file of JSON lines (gzip by ending).

    Raises SourceError, in one line, when it is neither.
    """
    if path.is_dir() or path.name == MANIFEST:
        return open_folder(path if path.is_dir() else path.parent, selection)
    return open_file(path, selection, text)
