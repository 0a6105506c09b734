"""Where on this machine is kept what can be fetched or made again."""

import os
from pathlib import Path


def user_cache(part: str) -> Path:
    """The folder of a part, which may not exist: in `$XDG_CACHE_HOME/newswire`, by default in `~/.cache/newswire`."""
    named = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(named) if named.startswith("/") else Path.home() / ".cache"
    return base / "newswire" / part
